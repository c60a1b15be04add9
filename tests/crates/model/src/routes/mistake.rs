//! Mistakes that could be made with the rules. The checker is shown to notice each.

/// One thing that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// DEL does not take the lock.
    DelWithoutLock,
    /// DEL asks who has the address before it has the lock.
    DelReadsBeforeLock,
    /// DEL removes the rule whoever has the address: by `prevResult`, for one.
    DelDoesNotAsk,
    /// ADD does not take the lock.
    AddWithoutLock,
    /// ADD looks for its record before it has the lock.
    AddReadsBeforeLock,
    /// ADD does not look for its record at all.
    AddWithoutRecord,
    /// ADD puts its rule in place and leaves those that lead elsewhere.
    AddLeavesOthers,
    /// ADD takes its rule for there if there is any rule for the address.
    AddTakesAnyRule,
    /// The chained ADD comes before the record is active.
    ChainedFirst,
    /// A repair does not take the lock.
    RepairWithoutLock,
    /// A repair removes what was left over before it had the lock.
    RepairListsBeforeLock,
    /// A repair goes by records that it read before it had the lock.
    RepairReadsBeforeLock,
    /// A repair removes by the records that are there, but adds by those that it read before it had the lock.
    RepairAddsByOldRecords,
    /// A repair adds what is missing and leaves what belongs to nobody.
    RepairOnlyAdds,
    /// The lock is a file that a kill leaves behind.
    LockOutlivesKill,
    /// A call waits for the lock however long that takes.
    WaitsWithoutDeadline,
}
