//! Which offered packages the device needs: its own comparison, by the rules of the protocol.

use crate::domain::{ModuleName, Version};
use crate::protocol::{DeclineReason, Offer};

/// What the device knows that bears on an offer.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    /// The version the module runs; `None` when it is not installed.
    pub running: Option<&'a Version>,
    /// Whether the device has such a module at all.
    pub has_module: bool,
    /// The module whose install is under way.
    pub busy: Option<&'a ModuleName>,
    /// Whether these very bytes failed too often.
    pub known_bad: bool,
    /// Whether there is room for download and installation.
    pub has_room: bool,
}

/// Whether the device wants the offered package.
///
/// # Errors
/// The reason it declines it.
pub fn judge(offer: &Offer, known: Knowledge) -> Result<(), DeclineReason> {
    let wanted = match known.running {
        None => true,
        Some(running) if offer.allow_rollback => offer.version != *running,
        Some(running) => offer.version.is_newer_than(running),
    };
    if !known.has_module || !can_be_a_folder(&offer.version) {
        Err(DeclineReason::Incompatible)
    } else if known.busy == Some(&offer.app_name) {
        // What runs may be on trial, and go again.
        Err(DeclineReason::Busy)
    } else if !wanted {
        Err(DeclineReason::NotNewer)
    } else if known.known_bad {
        Err(DeclineReason::KnownBad)
    } else if !known.has_room {
        Err(DeclineReason::NoSpace)
    } else {
        Ok(())
    }
}

/// A version names a folder here, and names with a leading dot are the agent's own.
#[must_use]
pub fn can_be_a_folder(version: &Version) -> bool {
    !version.as_str().starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sha256Hex;

    fn offer(version: &str, allow_rollback: bool) -> Offer {
        Offer {
            app_name: ModuleName::new("app1").unwrap(),
            version: Version::new(version).unwrap(),
            size: 3,
            sha256: Sha256Hex::of(b"abc"),
            signature: None,
            manifest: None,
            allow_rollback,
        }
    }

    fn judged(running: Option<&str>, version: &str, allow_rollback: bool) -> Result<(), DeclineReason> {
        let running = running.map(|v| Version::new(v).unwrap());
        let known =
            Knowledge { running: running.as_ref(), has_module: true, busy: None, known_bad: false, has_room: true };
        judge(&offer(version, allow_rollback), known)
    }

    #[test]
    fn higher_is_wanted_and_lower_only_with_allow_rollback() {
        assert_eq!(judged(Some("1.9"), "1.10", false), Ok(()));
        assert_eq!(judged(Some("1.10"), "1.9", false), Err(DeclineReason::NotNewer));
        assert_eq!(judged(Some("1.10"), "1.9", true), Ok(()));
        assert_eq!(judged(Some("1.10"), "1.10", true), Err(DeclineReason::NotNewer));
        assert_eq!(judged(None, "0.1", false), Ok(()));
    }

    #[test]
    fn a_version_that_the_agent_keeps_for_itself_is_incompatible() {
        for version in ["...", ".hidden"] {
            assert_eq!(judged(None, version, true), Err(DeclineReason::Incompatible), "{version}");
        }
    }

    #[test]
    fn each_hindrance_has_its_reason() {
        let app1 = ModuleName::new("app1").unwrap();
        let app2 = ModuleName::new("app2").unwrap();
        let fine = Knowledge { running: None, has_module: true, busy: None, known_bad: false, has_room: true };
        let offer = offer("2", false);
        assert_eq!(judge(&offer, fine), Ok(()));
        assert_eq!(judge(&offer, Knowledge { busy: Some(&app2), ..fine }), Ok(()));
        assert_eq!(judge(&offer, Knowledge { busy: Some(&app1), ..fine }), Err(DeclineReason::Busy));
        let two = Version::new("2").unwrap();
        let on_trial = Knowledge { running: Some(&two), busy: Some(&app1), ..fine };
        assert_eq!(judge(&offer, on_trial), Err(DeclineReason::Busy), "a version on trial may go again");
        assert_eq!(judge(&offer, Knowledge { known_bad: true, ..fine }), Err(DeclineReason::KnownBad));
        assert_eq!(judge(&offer, Knowledge { has_room: false, ..fine }), Err(DeclineReason::NoSpace));
        assert_eq!(judge(&offer, Knowledge { has_module: false, ..fine }), Err(DeclineReason::Incompatible));
    }
}
