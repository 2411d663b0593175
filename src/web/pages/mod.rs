//! What people see: each page is a typed struct, one template, and a few handlers.
//!
//! A page's handler holds a permission, asks the store and the fleet, and fills its struct; a form's handler answers
//! with a redirect, or with the form again: what was typed, and what is wrong at each field. Words are in the
//! templates. Text that devices or people wrote is cut by `shell::shown` and escaped by the templates.

mod answer;
mod chart;
mod device_report;
mod filter_box;
pub(super) mod form;
mod modules;
mod once;
mod shell;

pub mod account;
pub mod assets;
pub mod audit;
pub mod course;
pub mod device;
pub mod device_edit;
pub mod device_tags;
pub mod devices;
pub mod enrol;
mod fleet_columns;
pub(super) mod fleet_query;
pub mod groups;
pub mod notice;
pub mod overview;
mod overview_day;
pub mod packages;
pub mod rollout;
pub mod rollout_acts;
pub mod rollout_form;
pub mod rollout_policy;
pub mod rollout_new;
pub mod rollouts;
pub mod second_factor;
pub mod server;
pub mod sessions;
pub mod sign_in;
pub mod user_edit;
pub mod users;
pub mod views;
pub mod welcome;

#[cfg(test)]
mod samples;

pub use answer::{error_page, said};
pub use once::Pages;
