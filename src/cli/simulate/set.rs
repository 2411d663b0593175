//! Packages that a device takes all or not at all: what has come of them, and what is still to come.

use crate::domain::ModuleName;
use crate::protocol::Offer;

/// One set; empty where nothing is asked for as a set.
#[derive(Debug, Clone, Default)]
pub struct Set {
    awaited: Vec<ModuleName>,
    staged: Vec<Offer>,
}

impl Set {
    /// Nothing of it is installed.
    pub fn drop_all(&mut self) -> Vec<Offer> {
        self.awaited.clear();
        std::mem::take(&mut self.staged)
    }

    /// This module belongs to it, and is still to come.
    pub fn expect(&mut self, module: ModuleName) {
        self.awaited.push(module);
    }

    pub fn has(&self, module: &ModuleName) -> bool {
        self.awaited.contains(module) || self.staged.iter().any(|offer| offer.app_name == *module)
    }

    /// A package has come. `false`: it is none of the set.
    pub fn came(&mut self, offer: &Offer) -> bool {
        let Some(at) = self.awaited.iter().position(|module| *module == offer.app_name) else { return false };
        self.awaited.remove(at);
        self.staged.push(offer.clone());
        true
    }

    /// All of it, once all has come.
    pub fn complete(&mut self) -> Option<Vec<Offer>> {
        (self.awaited.is_empty() && !self.staged.is_empty()).then(|| std::mem::take(&mut self.staged))
    }
}
