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
    /// Whether a copy may still be on its way is asked when the refusal is there, not when it was asked for.
    OpenJudgedByAnswer,
    /// That a repeated request is refused counts for the copies of it that are still on their way.
    RefusalCrossesOff,
    /// An answer that is not one to a repeated request is believed.
    UnfitBelieved,
    /// It ends the request if what it names is all that the ENI has and no file names: the repetition may have brought more.
    UnfitEndsRequest,
    /// What the ENI has decides before all copies of the request in doubt have been carried out.
    DecidesTooEarly,
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
    /// The cloud: a request may be carried out however late.
    LateWithoutBound,
}
