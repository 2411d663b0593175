use super::*;
use crate::agent::clock;

fn v(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn job(from: Option<&str>, size: u64) -> Job {
    let offer = Offer {
        app_name: ModuleName::new("app1").unwrap(),
        version: v("2"),
        size,
        sha256: Sha256Hex::of(b"2"),
        signature: None,
        manifest: None,
        allow_rollback: false,
    };
    Job::offered(&offer, from.map(v), clock::now())
}

fn fault(package_is_bad: bool) -> Fault {
    Fault { text: "no good".into(), package_is_bad, module: None }
}

/// A device that does what it is told, until it is killed after so many steps.
struct Device {
    saved: Option<Job>,
    part_is_whole: bool,
    folders: Vec<Version>,
    current: Option<Version>,
    process: Option<Version>,
    /// The act that fails, every time it is done.
    broken: Option<Act>,
    steps_left: usize,
    outcomes: Vec<Outcome>,
    acts: Vec<Act>,
}

struct Killed;

impl Device {
    fn new(from: Option<&str>, broken: Option<Act>) -> Self {
        let from = from.map(v);
        Self {
            saved: None,
            part_is_whole: false,
            folders: from.iter().cloned().collect(),
            current: from.clone(),
            process: from,
            broken,
            steps_left: usize::MAX,
            outcomes: Vec::new(),
            acts: Vec::new(),
        }
    }

    fn step(&mut self) -> Result<(), Killed> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }

    /// Carries an event out to its end.
    fn drive(&mut self, job: &mut Job, event: Event) -> Result<(), Killed> {
        let mut effects: std::collections::VecDeque<Effect> = job.on(clock::now(), event).into();
        while let Some(effect) = effects.pop_front() {
            self.step()?;
            match effect {
                Effect::Save => self.saved = Some(job.clone()),
                Effect::Do(act) => {
                    let done = self.act(act, job);
                    self.step()?;
                    effects.extend(job.on(clock::now(), done));
                }
                Effect::Progress(_) | Effect::Staged => {}
                Effect::Drop => self.saved = None,
                Effect::Finish(outcome) => {
                    self.outcomes.push(outcome);
                    self.saved = None;
                }
            }
            assert!(
                self.current.as_ref().is_none_or(|current| self.folders.contains(current)),
                "current points to {:?}, there are {:?}",
                self.current,
                self.folders
            );
        }
        Ok(())
    }

    fn act(&mut self, act: Act, job: &Job) -> Event {
        self.acts.push(act);
        let saved = self.saved.as_ref().expect("an act without a saved job");
        assert_eq!((saved.stage, saved), (job.stage, job), "{act:?} began before its stage was saved");
        if self.broken == Some(act) {
            return Event::WentWrong(act, fault(true));
        }
        match act {
            Act::Check if !self.part_is_whole => return Event::WentWrong(act, fault(false)),
            Act::Check | Act::Prove | Act::Inspect | Act::ProveOld => {}
            Act::Unpack => self.folders.push(job.version.clone()),
            Act::Stop | Act::StopNew => self.process = None,
            Act::Switch => self.current = Some(job.version.clone()),
            Act::Start => self.process = Some(job.version.clone()),
            Act::SwitchBack => self.current = job.from.clone(),
            Act::StartOld => self.process = job.from.clone(),
            Act::Tidy if job.stage == Stage::Committed => {}
            Act::Tidy => self.folders.retain(|version| *version != job.version),
        }
        Event::Done(act)
    }

    /// The whole install, with a kill after so many steps and restarts until it is over.
    fn install(&mut self, from: Option<&str>, kill_after: usize) -> bool {
        self.steps_left = kill_after;
        let mut job = job(from, 10);
        let downloaded = self.drive(&mut job, Event::Pushed { offset: 0 }).and_then(|()| {
            self.part_is_whole = true;
            self.drive(&mut job, Event::Received(10))
        });
        let killed = downloaded.is_err();
        self.steps_left = usize::MAX;
        if let Some(mut job) = self.saved.clone() {
            assert!(self.drive(&mut job, Event::Restarted).is_ok());
        }
        assert_eq!(self.saved, None, "the job is over");
        killed
    }
}

#[test]
fn killed_at_any_step_the_device_ends_on_the_old_or_the_new_version_and_it_runs() {
    let mut kills = 0;
    let broken = [None, Some(Act::Check), Some(Act::Unpack), Some(Act::Switch), Some(Act::Start), Some(Act::Prove)];
    for broken in broken.into_iter().chain([Some(Act::Stop), Some(Act::StopNew), Some(Act::Tidy)]) {
        for kill_after in 0.. {
            let mut device = Device::new(Some("1"), broken);
            let killed = device.install(Some("1"), kill_after);
            let works = matches!(broken, None | Some(Act::Stop | Act::StopNew | Act::Tidy));
            let ends: &[&str] = if works { &["1", "2"] } else { &["1"] };
            let current = device.current.clone().expect("a module without a version");
            assert!(ends.contains(&current.as_str()), "{broken:?} killed after {kill_after}: {current}");
            assert_eq!(device.process, device.current, "{broken:?} killed after {kill_after}");
            assert!(device.outcomes.len() <= 1, "{broken:?} killed after {kill_after}: {:?}", device.outcomes);
            let installed = device.outcomes == [Outcome::Installed];
            assert_eq!(installed, current.as_str() == "2", "{broken:?} killed after {kill_after}");
            kills += usize::from(killed);
            if !killed {
                break;
            }
        }
    }
    assert!(kills > 100, "{kills} kills were tried");
}

#[test]
fn every_stage_is_saved_before_its_act() {
    // `Device::act` compares what is saved with the job at each act.
    let mut device = Device::new(Some("1"), None);
    assert!(!device.install(Some("1"), usize::MAX));
    let acts = [Act::Check, Act::Unpack, Act::Stop, Act::Switch, Act::Start, Act::Prove, Act::Tidy];
    assert_eq!(device.acts, acts);
    assert_eq!(device.outcomes, [Outcome::Installed]);
}

#[test]
fn a_failed_trial_brings_the_old_version_back_and_says_why() {
    let mut device = Device::new(Some("1"), Some(Act::Prove));
    device.install(Some("1"), usize::MAX);
    assert_eq!(device.outcomes, [Outcome::RolledBack]);
    let back = [Act::Prove, Act::StopNew, Act::Inspect, Act::SwitchBack, Act::StartOld, Act::ProveOld, Act::Tidy];
    assert_eq!(device.acts[5..], back);
}

#[test]
fn a_first_install_that_fails_its_trial_leaves_nothing_and_is_no_roll_back() {
    let mut device = Device::new(None, Some(Act::Start));
    device.install(None, usize::MAX);
    assert_eq!((device.outcomes, device.current), (vec![Outcome::Failed], None));
}

#[test]
fn an_old_version_that_is_not_what_was_signed_is_gone_back_to_and_told() {
    let mut job = job(Some("1"), 10);
    job.stage = Stage::RollingBack;
    job.error = Some("first".into());
    let effects = job.on(clock::now(), Event::WentWrong(Act::Inspect, fault(false)));
    assert_eq!((effects, job.stage), (vec![Effect::Do(Act::SwitchBack)], Stage::RollingBack));
    assert_eq!(job.error.unwrap(), "first; and the old version is not what was signed: no good");
}

#[test]
fn an_old_version_that_does_not_start_again_is_a_failure_that_tells_both_causes() {
    let mut job = job(Some("1"), 10);
    job.stage = Stage::RollingBack;
    job.error = Some("first".into());
    job.on(clock::now(), Event::WentWrong(Act::StartOld, fault(true)));
    assert_eq!(job.stage, Stage::Failed);
    let error = job.error.unwrap();
    assert!(error.contains("first") && error.contains("no good"), "{error}");
}

#[test]
fn a_device_that_restarts_again_and_again_in_a_trial_goes_back() {
    let mut trial = job(Some("1"), 10);
    trial.stage = Stage::Trial;
    for _ in 0..MAX_RESTARTS {
        assert_eq!(trial.on(clock::now(), Event::Restarted), [Effect::Save, Effect::Do(Act::Start)]);
    }
    assert_eq!(trial.on(clock::now(), Event::Restarted), [Effect::Save, Effect::Do(Act::StopNew)]);
    assert!(trial.package_is_bad);
}

#[test]
fn progress_is_told_at_least_every_256_kib_and_at_the_end() {
    let size = PROGRESS_EVERY * 3 + 1000;
    let mut job = job(None, size);
    let mut told = 0;
    job.on(clock::now(), Event::Pushed { offset: 0 });
    let frames = (1..).map(|n| n * 60_000).take_while(|at| *at < size).chain([size]);
    for at in frames {
        for effect in job.on(clock::now(), Event::Received(at)) {
            if let Effect::Progress(bytes) = effect {
                assert_eq!(bytes, at);
                told = bytes;
            }
        }
        assert!(at - told < PROGRESS_EVERY, "{at} received, {told} told");
    }
    assert_eq!((told, job.stage), (size, Stage::Received));
}

#[test]
fn a_package_that_is_here_already_is_told_and_checked_at_once() {
    let mut job = job(None, 10);
    let effects = job.on(clock::now(), Event::Pushed { offset: 10 });
    assert_eq!(effects, [Effect::Save, Effect::Progress(10), Effect::Save, Effect::Do(Act::Check)]);
}

#[test]
fn more_bytes_than_announced_fail_without_blaming_the_package() {
    let mut job = job(None, 10);
    job.on(clock::now(), Event::Pushed { offset: 0 });
    job.on(clock::now(), Event::Received(11));
    assert_eq!((job.stage, job.package_is_bad), (Stage::Failed, false));
}

#[test]
fn an_interruption_drops_a_download_and_nothing_later() {
    let stages = [Stage::Received, Stage::Verified, Stage::Unpacked, Stage::Switching, Stage::Trial];
    for stage in stages.into_iter().chain([Stage::Committed, Stage::RollingBack, Stage::RolledBack, Stage::Failed]) {
        let mut job = job(Some("1"), 10);
        job.stage = stage;
        assert_eq!(job.on(clock::now(), Event::Interrupted), [], "{stage:?}");
        assert_eq!(job.stage, stage);
    }
    let mut job = job(Some("1"), 10);
    job.on(clock::now(), Event::Pushed { offset: 0 });
    assert_eq!(job.on(clock::now(), Event::Interrupted), [Effect::Drop]);
}

/// The first of a set of two, at this stage.
fn first_of_two(stage: Stage) -> Job {
    let mut job = job(Some("1"), 10);
    job.join(None, vec![crate::agent::set::Named { module: ModuleName::new("app2").unwrap(), version: v("8") }]);
    job.stage = stage;
    job
}

const LOOKS: [(Stage, Act); 2] = [(Stage::Received, Act::Check), (Stage::Verified, Act::Unpack)];

#[test]
fn a_set_that_is_called_off_while_one_of_it_is_looked_at_is_told_when_the_look_has_ended() {
    for (stage, act) in LOOKS {
        for cut in [false, true] {
            let mut job = first_of_two(stage);
            assert_eq!(job.on(clock::now(), Event::Spoiled(fault(false))), [], "{act:?} is under way");
            if cut {
                assert_eq!(job.on(clock::now(), Event::Interrupted), []);
            }
            assert_eq!(job.on(clock::now(), Event::Done(act)), [Effect::Finish(Outcome::Failed)]);
            let told = job.results(Outcome::Failed);
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(told.iter().all(|result| result.error.as_ref().unwrap().contains("no good")), "{told:?}");
        }
    }
}

#[test]
fn a_set_that_is_cut_while_one_of_it_is_looked_at_is_dropped_and_the_last_of_a_set_goes_on() {
    for (stage, act) in LOOKS {
        let mut job = first_of_two(stage);
        assert_eq!(job.on(clock::now(), Event::Interrupted), []);
        assert_eq!(job.on(clock::now(), Event::Done(act)), [Effect::Drop]);
        let mut last = first_of_two(stage);
        last.set.as_mut().unwrap().to_come.clear();
        assert_eq!(last.on(clock::now(), Event::Interrupted), []);
        assert!(matches!(last.on(clock::now(), Event::Done(act))[..], [Effect::Save, ..]));
    }
}

#[test]
fn late_and_repeated_answers_change_nothing() {
    let mut job = job(Some("1"), 10);
    job.stage = Stage::Trial;
    for act in [Act::Check, Act::Unpack, Act::Stop, Act::Switch, Act::SwitchBack, Act::StartOld, Act::Tidy] {
        let before = job.clone();
        assert_eq!(job.on(clock::now(), Event::Done(act)), []);
        assert_eq!(job.on(clock::now(), Event::WentWrong(act, fault(true))), []);
        assert_eq!(job, before);
    }
}
