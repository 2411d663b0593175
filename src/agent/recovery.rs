//! What is under way when the journal does not say: the disk is asked.

use std::collections::BTreeMap;

use super::clock;
use super::config::ModuleConfig;
use super::machine::Job;
use super::module_dir::ModuleDir;
use crate::domain::{ModuleName, Version};

/// Without a journal nobody knows whether what runs has passed its trial: a module with a version to go back to is
/// tried again. Of several at most one can have been under way, and those that are well stay.
pub fn recovered(modules: &BTreeMap<ModuleName, ModuleConfig>) -> Option<Job> {
    modules.iter().filter(|(_, config)| config.health.is_some()).find_map(|(name, config)| {
        let dir = ModuleDir::new(&config.dir);
        let running = dir.running()?;
        let older = dir.installed().into_iter().filter(|version| *version != running);
        let from = older.max_by(Version::compare)?;
        Some(Job::found(name.clone(), running, Some(from), clock::now()))
    })
}
