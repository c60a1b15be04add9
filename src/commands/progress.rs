//! What a long command is doing, in a line of the terminal that is rewritten. Nothing where nobody looks: a timer's journal stays
//! short, and a program reads none of it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::commands::output::write_over;
use crate::commands::terminal::stderr_width;
use crate::pool::release::Doing;

/// How often the line is looked at. What takes less is not shown.
const LOOK: Duration = Duration::from_millis(200);

/// What is shown; `None` where nobody looks.
pub(super) struct Progress(Option<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    /// What is done where no ENI has releases.
    step: Option<(String, Instant)>,
    enis: BTreeMap<EniId, OnEni>,
}

/// The releases of one ENI.
struct OnEni {
    /// How many there were, as far as is known.
    all: usize,
    left: usize,
    doing: Doing,
    since: Instant,
}

impl Progress {
    /// For a command whose results are printed as JSON or not.
    pub(super) fn new(as_json: bool) -> Self {
        Self((!as_json && stderr_width().is_some()).then(Mutex::default))
    }

    pub(super) fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// This is done from now on.
    pub(super) fn step(&self, what: impl FnOnce() -> String) {
        if let Some(shown) = &self.0 {
            let mut shown = locked(shown);
            shown.enis.clear();
            shown.step = Some((what(), Instant::now()));
        }
    }

    /// This is done for the releases of an ENI from now on, of which so many are left.
    pub(super) fn on_eni(&self, eni: &EniId, doing: Doing, left: usize) {
        let Some(shown) = &self.0 else { return };
        let now = Instant::now();
        let mut shown = locked(shown);
        let new = || OnEni { all: left, left, doing, since: now };
        let it = shown.enis.entry(eni.clone()).or_insert_with(new);
        if it.doing != doing || it.left != left {
            it.since = now;
        }
        (it.all, it.left, it.doing) = (it.all.max(left), left, doing);
    }

    /// Does `work` and shows meanwhile what it is doing. The line is empty afterwards.
    pub(super) fn while_shown<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(shown) = &self.0 else { return work() };
        thread::scope(|scope| {
            let (work_goes_on, is_over) = channel::<()>();
            // Without another thread, the work is done unseen.
            let _ = thread::Builder::new().spawn_scoped(scope, move || draw(shown, &is_over));
            let done = work();
            drop(work_goes_on);
            done
        })
    }
}

fn locked(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn draw(shown: &Mutex<Shown>, is_over: &Receiver<()>) {
    let mut line = String::new();
    while is_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        // The last column stays free: some terminals begin a row when it is written to. The window may have changed its size.
        let most = stderr_width().unwrap_or_default().saturating_sub(1);
        let next = locked(shown).line(most, Instant::now(), Timestamp::now());
        if next != line {
            write_over(&next, line.chars().count());
            line = next;
        }
    }
    if !line.is_empty() {
        write_over("", line.chars().count());
    }
}

impl Shown {
    /// The line as it is at this moment, of so many characters at the most.
    fn line(&self, most: usize, now: Instant, by_clock: Timestamp) -> String {
        let busy = self.enis.iter().filter(|(_, it)| it.doing != Doing::Ended);
        let line = match busy.min_by_key(|(_, it)| it.since) {
            Some((eni, it)) => self.releases(most, eni, &it.in_words(now, by_clock)),
            None => match &self.step {
                Some((what, since)) => format!("{what}{}", for_so_long(*since, now)),
                None => String::new(),
            },
        };
        cut(most, line)
    }

    fn releases(&self, most: usize, eni: &EniId, doing: &str) -> String {
        let sum = |of: fn(&OnEni) -> usize| self.enis.values().map(of).sum::<usize>();
        let (all, left) = (sum(|it| it.all), sum(|it| it.left));
        let released = all.saturating_sub(left);
        let (where_, doing) = match self.enis.len() {
            1 => (eni.to_string(), doing.to_owned()),
            several => (format!("{several} ENIs"), format!("{eni} {doing}")),
        };
        let long = format!("{where_}: {released} of {all} released, {left} left; {doing}");
        let short = format!("{where_}: {released} of {all} released; {doing}");
        if long.chars().count() > most { short } else { long }
    }
}

impl OnEni {
    fn in_words(&self, now: Instant, by_clock: Timestamp) -> String {
        match self.doing {
            Doing::Waiting => format!("waiting for other calls{}", for_so_long(self.since, now)),
            Doing::Asking => format!("waiting for ECS{}", for_so_long(self.since, now)),
            Doing::Pausing(until) => {
                let pause = until.wait(by_clock, Duration::MAX).as_secs();
                format!("ECS fails, next attempt in {pause} s")
            }
            Doing::Ended => "done".to_owned(),
        }
    }
}

/// The first second is not worth a word.
fn for_so_long(since: Instant, now: Instant) -> String {
    match now.saturating_duration_since(since).as_secs() {
        0 => String::new(),
        seconds => format!(" ({seconds} s)"),
    }
}

fn cut(most: usize, line: String) -> String {
    match line.char_indices().nth(most) {
        Some(_) => line.chars().take(most.saturating_sub(3)).chain("...".chars()).take(most).collect(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eni(id: &str) -> EniId {
        EniId::try_from(id.to_owned()).unwrap()
    }

    fn progress() -> Progress {
        Progress(Some(Mutex::default()))
    }

    fn line_after(progress: &Progress, seconds: u64) -> String {
        let shown = progress.0.as_ref().unwrap();
        locked(shown).line(79, Instant::now() + Duration::from_secs(seconds), Timestamp::now())
    }

    #[test]
    fn the_line_says_how_many_are_released_and_what_is_waited_for() {
        let (progress, one) = (progress(), eni("eni-1"));
        assert_eq!(line_after(&progress, 0), "");
        progress.step(|| "looking for what is left".into());
        assert_eq!(line_after(&progress, 2), "looking for what is left (2 s)");
        progress.on_eni(&one, Doing::Waiting, 500);
        assert_eq!(line_after(&progress, 0), "eni-1: 0 of 500 released, 500 left; waiting for other calls");
        progress.on_eni(&one, Doing::Asking, 380);
        assert_eq!(line_after(&progress, 12), "eni-1: 120 of 500 released, 380 left; waiting for ECS (12 s)");
        // More DELs came meanwhile.
        progress.on_eni(&one, Doing::Asking, 600);
        assert_eq!(line_after(&progress, 0), "eni-1: 0 of 600 released, 600 left; waiting for ECS");
        progress.on_eni(&one, Doing::Pausing(Timestamp::now().plus(Duration::from_secs(90))), 600);
        assert!(line_after(&progress, 0).contains("next attempt in "), "{}", line_after(&progress, 0));
    }

    #[test]
    fn of_several_enis_the_sum_is_shown_and_the_one_that_is_waited_for_longest() {
        let progress = progress();
        progress.on_eni(&eni("eni-1"), Doing::Asking, 10);
        progress.on_eni(&eni("eni-2"), Doing::Asking, 5);
        progress.on_eni(&eni("eni-2"), Doing::Asking, 1);
        let line = "2 ENIs: 4 of 15 released, 11 left; eni-1 waiting for ECS (3 s)";
        assert_eq!(line_after(&progress, 3), line);
        progress.on_eni(&eni("eni-1"), Doing::Ended, 0);
        assert!(line_after(&progress, 3).contains("eni-2 waiting"), "{}", line_after(&progress, 3));
    }

    #[test]
    fn no_line_needs_two_rows() {
        let progress = progress();
        progress.on_eni(&eni(&format!("eni-{}", "x".repeat(22))), Doing::Asking, 100_000);
        let line = line_after(&progress, 100);
        assert!(line.ends_with("100000 released; waiting for ECS (100 s)"), "{line}");
        progress.step(|| "ä".repeat(100));
        assert_eq!(line_after(&progress, 0), format!("{}...", "ä".repeat(76)));
    }
}
