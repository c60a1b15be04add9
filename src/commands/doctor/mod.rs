//! `doctor`: checks everything that an ADD and a DEL need, and says what to do about each failure.

mod addresses;
mod capacity;
mod checkup;
mod cloud;
mod configuration;
mod conflist;
mod eni;
mod forwarding;
mod installation;
mod main_table;
mod managers;
mod network_manager;
mod networkd;
mod orphans;
mod outputs;
mod permissions;
mod plugins;
mod pods;
mod quota;
mod report;
mod reserve;
mod routes;
mod settings_file;
mod sharing;
mod site;
mod store;
mod stores;
mod used_link;

pub(in crate::commands) use checkup::{doctor, judge};
pub(in crate::commands) use conflist::names_this_plugin;
pub(in crate::commands) use installation::plugin_directories;
