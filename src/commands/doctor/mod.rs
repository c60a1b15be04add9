//! `doctor`: checks everything that an ADD and a DEL need, and says what to do about each failure.

mod checkup;
mod cloud;
mod local;
mod permissions;
mod report;

pub(in crate::commands) use checkup::doctor;
