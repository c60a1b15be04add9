//! What time it is, and in which boot of the machine.
//!
//! What one process writes another reads, so moments are those of the wall clock. But that can be set: forward, and what is
//! to hold for a minute is over at once; back, and it holds for hours. So whoever writes moments says by which setting of the
//! clock they are ([`Clock`]), and whoever reads them in the same boot gets them by the present one. Within a process the
//! clock is not set: it is read once, and from there on the time that has passed counts.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::moment;

/// A moment by the wall clock, kept to the millisecond: what outlives a process has no other clock. It is written as
/// RFC 3339 in UTC (`2026-11-22T09:12:44.250Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// The present moment, in whole milliseconds: what is written and read again is the same.
    #[must_use]
    pub fn now() -> Self {
        let clocks = clocks();
        Self(clocks.wall).plus(moment::since(clocks.read_at)).in_whole_millis()
    }

    fn in_whole_millis(self) -> Self {
        let since_epoch = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
        Self(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
    }

    /// The moment `time` later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.checked_add(time).unwrap_or(self.0))
    }

    /// How long from `now` to this moment; zero when it is past, and when it lies further ahead than `most`: then it was
    /// written before the clock was set back, and says nothing any more.
    #[must_use]
    pub fn wait(self, now: Timestamp, most: Duration) -> Duration {
        let wait = self.0.duration_since(now.0).unwrap_or_default();
        if wait > most { Duration::ZERO } else { wait }
    }

    /// How long ago this was at `now`; zero when it lies ahead.
    #[must_use]
    pub fn age(self, now: Timestamp) -> Duration {
        now.0.duration_since(self.0).unwrap_or_default()
    }

    /// Whether this lies ahead of `now`, by more than what two processes can differ in when they read the same clock.
    #[must_use]
    pub fn is_ahead_of(self, now: Timestamp) -> bool {
        self.0.duration_since(now.0).is_ok_and(|ahead| ahead >= Setting::LEAST)
    }

    /// The whole seconds since 1970, as Prometheus has it.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// The form with whole seconds (`2026-11-22T09:12:44Z`).
    #[must_use]
    pub fn to_seconds(self) -> String {
        humantime::format_rfc3339_seconds(self.0).to_string()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        Self(moment).in_whole_millis()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = humantime::parse_rfc3339(&text).map(Self).map_err(serde::de::Error::custom)?;
        Ok(SETTING.get().apply(moment))
    }
}

/// In which boot, and by which setting of the wall clock, a document was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Clock {
    boot_id: String,
    /// When that boot began by the wall clock: it changes when the clock is set, and by nothing else.
    boot_began: Timestamp,
}

impl Clock {
    /// That of this process; `None` where `/proc` does not tell.
    pub(crate) fn present() -> Option<&'static Self> {
        static PRESENT: OnceLock<Option<Clock>> = OnceLock::new();
        let read = || {
            let present = Self { boot_id: boot_id(), boot_began: clocks().boot_began? };
            Some(present).filter(|clock| !clock.boot_id.is_empty())
        };
        PRESENT.get_or_init(read).as_ref()
    }

    /// Runs `read`, which parses a document that was written by this clock: each moment in it becomes what it is by the
    /// present clock. Those of another boot stay as they are, because nothing tells how the clock was set between the two.
    pub(crate) fn translate<T>(written: Option<&Self>, read: impl FnOnce() -> T) -> T {
        let set = match (written, Self::present()) {
            (Some(written), Some(present)) if written.boot_id == present.boot_id => {
                Setting::between(written.boot_began, present.boot_began)
            }
            _ => Setting::NONE,
        };
        let before = SETTING.replace(set);
        // A panic in `read` ends the process.
        let read = read();
        SETTING.set(before);
        read
    }
}

thread_local! {
    /// How the clock was set since the document that is being parsed was written: serde passes nothing on to a field.
    static SETTING: Cell<Setting> = const { Cell::new(Setting::NONE) };
}

/// By how much the wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Forward(Duration),
    Back(Duration),
}

impl Setting {
    const NONE: Self = Self::Forward(Duration::ZERO);

    /// A clock that is slewed, and one that is read a little late, are off by less and have not been set.
    const LEAST: Duration = Duration::from_secs(1);

    fn between(before: Timestamp, after: Timestamp) -> Self {
        match (after.age(before), before.age(after)) {
            (back, _) if back >= Self::LEAST => Self::Back(back),
            (_, forward) if forward >= Self::LEAST => Self::Forward(forward),
            _ => Self::NONE,
        }
    }

    /// The moment by the present clock. One that cannot be written as RFC 3339 is nobody's, and stays as it is.
    fn apply(self, moment: Timestamp) -> Timestamp {
        const END: Duration = Duration::from_secs(253_402_300_800);
        let shifted = match self {
            Self::Forward(by) => moment.0.checked_add(by),
            Self::Back(by) => moment.0.checked_sub(by),
        };
        let is_written = |it: &SystemTime| it.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|it| it < END);
        shifted.filter(is_written).map_or(moment, Timestamp)
    }
}

/// The clocks as this process has read them.
struct Clocks {
    wall: SystemTime,
    read_at: Instant,
    /// How long the machine had been up, by the clock that nobody sets.
    up: Option<Duration>,
    /// When the boot began by the wall clock.
    boot_began: Option<Timestamp>,
}

fn clocks() -> &'static Clocks {
    static CLOCKS: OnceLock<Clocks> = OnceLock::new();
    CLOCKS.get_or_init(|| {
        // Who is held up between the two clocks looks again.
        const PROMPT: Duration = Duration::from_millis(50);
        let mut attempts = 0;
        loop {
            let started = moment::now();
            let (up, wall, read_at) = (time_since_boot(), wall_clock(), moment::now());
            attempts += 1;
            if read_at - started < PROMPT || attempts == 3 {
                let boot_began = up.and_then(|up| wall.checked_sub(up));
                let boot_began = boot_began.map(|began| Timestamp(began).in_whole_millis());
                return Clocks { wall, read_at, up, boot_began };
            }
        }
    })
}

fn wall_clock() -> SystemTime {
    #[cfg(feature = "simulation")]
    if let Some(moment) = super::simulation::wall_clock() {
        return moment;
    }
    SystemTime::now()
}

/// By the clock that nobody sets, to the hundredth of a second: the first number in `/proc/uptime` (proc(5)).
fn time_since_boot() -> Option<Duration> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(uptime.split(' ').next()?.parse().ok()?).ok()
}

/// How long the machine has been up; `None` where `/proc` does not tell.
pub(crate) fn up_for() -> Option<Duration> {
    let clocks = clocks();
    clocks.up.map(|up| up + moment::since(clocks.read_at))
}

/// When the machine booted, by the present wall clock; `None` where `/proc` does not tell.
pub(crate) fn booted_at() -> Option<SystemTime> {
    clocks().boot_began.map(|Timestamp(moment)| moment)
}

/// The kernel's id of the present boot, or an empty string where `/proc` does not tell it. Unlike the boot's time it does
/// not change when the clock is set.
#[must_use]
pub(crate) fn boot_id() -> String {
    boot().id.clone()
}

/// The boot of which a record can say that it was made in it: empty where this is not surely the machine's. systemd-nspawn and
/// LXC mount an id of the container's own over the kernel's, and to whoever reads the kernel's, the records of living pods
/// would be of another boot.
#[must_use]
pub(crate) fn boot_of_records() -> String {
    if boot().is_the_kernels { boot_id() } else { String::new() }
}

/// Whether what was made in `boot` was made before the machine booted. Where either is not known nobody can tell, and it was
/// not.
#[must_use]
pub(crate) fn is_earlier_boot(boot: &str) -> bool {
    let present = boot_of_records();
    !boot.is_empty() && !present.is_empty() && boot != present
}

/// The present boot.
#[derive(Default)]
struct Boot {
    id: String,
    is_the_kernels: bool,
}

fn boot() -> &'static Boot {
    static BOOT: OnceLock<Boot> = OnceLock::new();
    BOOT.get_or_init(|| read_boot().unwrap_or_default())
}

/// The file is the kernel's own if it is on the file system on which the kernel shows this process.
fn read_boot() -> io::Result<Boot> {
    let mut file = File::open("/proc/sys/kernel/random/boot_id")?;
    // A UUID and the end of the line.
    let mut text = [0; 64];
    let length = file.read(&mut text)?;
    let id = String::from_utf8_lossy(&text[..length]).trim().to_owned();
    let is_the_kernels = file.metadata()?.dev() == fs::symlink_metadata("/proc/self")?.dev();
    Ok(Boot { id, is_the_kernels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_its_written_form_to_the_millisecond() {
        let moment = Timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_338_764_250));
        let text = serde_json::to_string(&moment).unwrap();
        assert_eq!(text, "\"2026-11-22T09:12:44.250Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment);
        assert_eq!(moment.to_seconds(), "2026-11-22T09:12:44Z");
        assert_eq!(moment.unix_seconds(), 1_795_338_764);
    }

    #[test]
    fn the_present_moment_is_the_same_when_it_is_read_again() {
        let now = Timestamp::now();
        let text = serde_json::to_string(&now).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), now);
    }

    /// A moment in a document that was written by this clock, as it is read now.
    fn read_from(written: Option<&Clock>, moment: Timestamp) -> Timestamp {
        let text = serde_json::to_string(&moment).unwrap();
        let read = Clock::translate(written, || serde_json::from_str(&text).unwrap());
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment, "it lasts no longer");
        read
    }

    #[test]
    fn a_moment_is_read_by_the_present_clock_however_it_was_set_within_the_boot() {
        let hour = Duration::from_hours(1);
        let present = Clock::present().unwrap();
        let moment = Timestamp::now();
        let behind = Clock { boot_began: Timestamp(present.boot_began.0 - hour), ..present.clone() };
        let ahead = Clock { boot_began: present.boot_began.plus(hour), ..present.clone() };
        assert_eq!(read_from(Some(present), moment), moment);
        assert_eq!(read_from(Some(&behind), Timestamp(moment.0 - hour)), moment);
        assert_eq!(read_from(Some(&ahead), moment.plus(hour)), moment);
        // Before clocks were written, and in another boot, nobody knows.
        assert_eq!(read_from(None, moment), moment);
        let other_boot = Clock { boot_id: "another".into(), ..behind };
        assert_eq!(read_from(Some(&other_boot), moment), moment);
    }

    #[test]
    fn a_clock_that_is_slewed_has_not_been_set_and_no_setting_leads_out_of_time() {
        let present = Clock::present().unwrap();
        let moment = Timestamp::now();
        let slewed =
            Clock { boot_began: present.boot_began.plus(Duration::from_millis(900)), ..present.clone() };
        assert_eq!(read_from(Some(&slewed), moment), moment);
        let epoch = Timestamp(SystemTime::UNIX_EPOCH);
        let last: Timestamp = serde_json::from_str("\"9999-12-31T23:59:59Z\"").unwrap();
        for boot_began in [epoch, last] {
            for moment in [epoch, last] {
                let read = read_from(Some(&Clock { boot_began, ..present.clone() }), moment);
                assert!(!read.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_a_wait_endless() {
        let now = Timestamp::now();
        let next_year = now.plus(Duration::from_hours(365 * 24));
        assert_eq!(next_year.wait(now, Duration::from_mins(1)), Duration::ZERO);
        assert_eq!(
            now.plus(Duration::from_secs(9)).wait(now, Duration::from_mins(1)),
            Duration::from_secs(9)
        );
        assert_eq!(now.wait(next_year, Duration::from_mins(1)), Duration::ZERO);
    }
}
