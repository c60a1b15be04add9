//! `doctor`: checks everything that an ADD and a DEL need, and says what to do about each failure.

mod addresses;
mod checkup;
mod cloud;
mod configuration;
mod conflist;
mod eni;
mod installation;
mod orphans;
mod outputs;
mod permissions;
mod plugins;
mod pods;
mod report;
mod sharing;
mod site;
mod store;
mod stores;

pub(in crate::commands) use checkup::doctor;
