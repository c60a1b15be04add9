//! A command on a terminal.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::{Answer, Calling, Running};

/// A command whose stdout and stderr are a terminal.
#[derive(Debug)]
pub struct OnTerminal<'a> {
    running: Running<'a>,
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl<'a> Calling<'a> {
    /// Makes the call on a terminal of this many columns.
    ///
    /// # Panics
    /// When the system has no terminal to give.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn start_on_terminal(self, columns: u16) -> OnTerminal<'a> {
        let (controller, terminal) = open(columns).expect("the system has a terminal");
        let written = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&written);
        let reader = thread::spawn(move || {
            let (mut controller, mut bytes) = (File::from(controller), [0; 4096]);
            // It fails when nobody has the terminal open any more.
            while let Ok(count @ 1..) = controller.read(&mut bytes) {
                copy.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
            }
        });
        let stderr = terminal.try_clone().expect("it can be had twice");
        OnTerminal { running: self.start_into(terminal, stderr), written, reader }
    }
}

impl OnTerminal<'_> {
    /// What has been written to the terminal so far.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the command, and returns also all that was written to the terminal.
    ///
    /// # Panics
    /// When the command cannot be waited for.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn wait(self) -> (Answer, Vec<u8>) {
        let answer = self.running.wait();
        self.reader.join().expect("the terminal can be read");
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (answer, written)
    }
}

/// Both ends of a terminal.
fn open(columns: u16) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let name = ptsname(&controller, Vec::new())?;
    let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((controller, terminal))
}
