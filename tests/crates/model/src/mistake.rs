//! Mistakes that the protocol could make and assumptions that it could lose. The checker is shown to notice each.

/// One thing that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// ADD lets go of the ENI's lock once it has its answer, before the record is active.
    EniLockEndsBeforeCommit,
    /// ADD lets go of the ENI's lock before what it got and does not use is recorded as releasing.
    EniLockEndsBeforeAbandon,
    /// The release that an assigned address proves to be over ends after the new record is active.
    SettleAfterCommit,
    /// Whether an old release may take an address away is asked when the answer is there, not when it was asked for.
    DoubtJudgedByAnswer,
    /// No doubt outlives the request.
    NoDoubt,
    /// The leader does not write down what it is about to ask.
    SendingNotWritten,
    /// What a repeated request had assigned is released even if it is somebody's by now.
    NoInUseGuard,
    /// What a dead ADD had noted becomes a release without the ENI's lock: an ADD may just have been given the address.
    NotedIsReleasedAtOnce,
    /// A description also ends requests whose answers were noted, and which explain what they had assigned.
    NotedIsEnded,
    /// An ADD that makes room does not know the addresses that it has got already.
    GotNotInUse,
    /// GC, or an ADD whose result nobody reads, releases what the pod has, even if a later ADD has got it.
    ReleasesAnything,
    /// DEL leaves no mark in a living ADD's intent.
    DelDoesNotMark,
    /// ADD does not look for a mark when it commits.
    CommitDoesNotLook,
    /// DEL does not take the store's lock, nor does commit.
    NoStoreLock,
    /// The intent is removed before the active record is there.
    ForgetBeforeActive,
    /// The request is sent before the intent names it.
    AskNotWritten,
    /// A request counts as settled when a later attempt at it is refused in passing.
    RefusalSettlesUnseen,
    /// ADD lets go of the ENI's lock while it waits, although it has been given an address.
    LetsGoWithAnswers,
    /// That a repeated request is refused ends it, although no copy of it can take effect any more: ECS may look for room first.
    RefusalCrossesOff,
    /// An answer that is not one to a repeated request is believed.
    UnfitBelieved,
    /// A description ends requests of which a copy can still take effect.
    LapsedTooEarly,
    /// Whether a copy can still take effect is asked when the description is there, not when it was asked for.
    LapseJudgedByAnswer,
    /// It is not written before the repetition of a lapsed request that this copy can take effect later.
    RepetitionNotWritten,
    /// A request of which a kill has left two records ends in both by what one of them says.
    LapsedInOneRecord,
    /// Lapsed requests end although a description shows an address that nothing explains.
    EndsWithUnexplained,
    /// A lapsed request is repeated although a description shows that it left nothing.
    RepeatsAnyway,
    /// A request whose repetition is refused does not wait before the next one.
    RefusedIsRepeated,
    /// An ADD waits for the ENI's lock however long that takes.
    WaitsWithoutDeadline,
    /// An ADD gives its pod what the repetition of an earlier ADD's request is answered.
    ContinuesForThePod,
    /// A failed ADD removes its intent before what it got is recorded as releasing.
    AbandonForgetsFirst,
    /// A dead ADD's intent is removed before its requests are recorded as releasing.
    BuryRemovesFirst,
    /// What must not be used is settled in the intent before it is returned to releasing.
    SettledBeforeReturn,
    /// A repeated request is crossed off before what it had assigned is recorded.
    CrossedOffBeforeNamed,
    /// A record of which nothing is left is written once more before it is removed.
    EmptyRecordWritten,
    /// A leader settles its records before it has an answer.
    SettleBeforeAnswer,
    /// A leader gives up for good on a batch of which one address is not on the ENI.
    NobodyLooks,
    /// ADD answers with the record of an earlier boot as it is.
    AnswersWithEarlierBoot,
    /// `flush` releases what its list calls a record of an earlier boot, whatever has become of it.
    FlushDoesNotLookAgain,
    /// ADD makes its record one of this boot, whatever has become of it.
    RenewsUnlooked,
    /// A restore asks for the address before a record names the request.
    RestoreNotWritten,
    /// A restore whose outcome is unknown ends its record.
    RestoreUnknownEnds,
    /// A restore takes a refusal that comes after an unknown outcome for the proof that nothing was assigned.
    RestoreRefusalEnds,
    /// A description that ends a request for one address ends all other lapsed requests as well, whatever it shows.
    ProofOfOneEndsAll,
    /// The cloud: a request may be carried out however late.
    LateWithoutBound,
}
