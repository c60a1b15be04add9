//! The rules of the reserve, each left out on purpose.

/// One rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// An entry counts although a releasing record names its address.
    ReleasingCounts,
    /// An entry counts although an active record names its address.
    ActiveCounts,
    /// A leader does not make `reserved/` durable before it sends.
    ReservedNotDurable,
    /// A leader makes `reserved/` durable only if it finds entries of what it sends, although others have removed some.
    TrustsMissingEntries,
    /// A leader does not make `active/` and `releasing/` durable before it sends.
    MovesNotDurable,
    /// A leader removes entries before the records that name their addresses are durable, and makes all durable afterwards only.
    RemovesBeforeDurable,
    /// A leader sends what an active record names.
    SendsActive,
    /// A leader does not remove the entries of what it sends.
    LeavesEntries,
    /// An address whose release nobody waits for goes from *releasing* into the reserve.
    FromReleasing,
    /// The entry is removed without a look at the own active record.
    RemovesBlindly,
    /// The entry is removed before the active record is durable.
    RemovesEarly,
    /// An ADD takes an entry although a DEL has marked its intent.
    IgnoresMark,
    /// What the repetition of a request answers goes to the reserve after the ENI's lock was let go.
    RepetitionToReserve,
    /// A request is crossed off before `reserved/` is durable.
    CrossesOffEarly,
    /// A request is crossed off without making `active/` durable.
    CrossesOffBesideActive,
    /// An answered address is in doubt, and goes to the reserve.
    DoubtIgnored,
    /// An entry is taken although its address is in doubt.
    TakesInDoubt,
    /// An entry is taken although it has not rested.
    TakesUnrested,
    /// An ADD takes for one family what it finds, and ends.
    OneFamily,
    /// A leader does not count what the open requests of other living ADDs ask for.
    ForgetsOpen,
    /// A request on another ENI counts for as long as it is in doubt.
    ExpectsForEver,
    /// A leader that has nothing leaves it to the open requests of others to bring something for it.
    LeavesItToOthers,
    /// What was picked is taken without another look.
    TakesBlindly,
    /// What was picked is taken if it still counts, whether it has rested or not.
    RestsNotLookedAtAgain,
    /// What ECS has given is recorded although another record names it by then.
    CommitsBlindly,
    /// An old entry of what ECS has given to the ADD itself stays until there is a record.
    OldEntryStays,
    /// An ADD takes a record of an earlier boot over although its addresses do not lead to it.
    TakesOverWithoutNames,
    /// DEL puts what a record of an earlier boot names into the reserve.
    EarlierBootIntoReserve,
    /// DEL puts into the reserve what is in doubt.
    DoubtIntoReserve,
    /// What a dead ADD had noted is releasing, whatever names it by now.
    NotedBlindly,
    /// A release that is proved to be over ends, and its entry stays.
    EndsBesideEntry,
    /// DEL removes the active record before its entry is durable.
    DelRemovesFirst,
    /// DEL lets go of the store's lock before the removal of the active record is durable.
    RemovalNotDurable,
    /// Surplus leaves the reserve before a releasing record names it.
    SurplusRemovesFirst,
    /// What is surplus is chosen in one hold of the store's lock, and given back in another.
    SurplusInTwoHolds,
    /// Nobody gives surplus back.
    KeepsSurplus,
    /// A network gives back the entries of others.
    GivesBackOthers,
    /// A refusal ends a request of which an earlier copy was lost sight of.
    RefusalEnds,
    /// Unrested entries count as if a waiting ADD could have them.
    UnrestedSuffice,
    /// A refusal of several is remembered as "full".
    SeveralMeansFull,
}
