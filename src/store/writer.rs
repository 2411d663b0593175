//! The one writer: a thread with its own connection, a bounded queue, and group commit.
//!
//! What waits goes into one transaction, each job but the first in a savepoint of its own, and every job is answered
//! after the commit: one fsync serves all of them, and nobody is told of what is not on disk. A job that fails takes only
//! itself back. A full queue makes callers wait; nothing is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::connection::{Address, Db, Purpose};
use super::dialect;
use super::fault::{Fault, Outcome, Result, StoreError};

/// Jobs that may wait.
const QUEUE: usize = 1024;
/// Jobs in one transaction.
const GROUP: usize = 1000;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// The way to the writer thread.
pub(super) struct Writer {
    room: Arc<Semaphore>,
    /// `None` once closed; the thread ends when it has done what was sent before.
    queue: Mutex<Option<Sender<Queued>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Queued {
    job: Box<dyn Job>,
    _room: OwnedSemaphorePermit,
}

/// One caller's changes. It may run more than once: the last run counts.
trait Job: Send {
    fn run(&mut self, db: &mut Db) -> Outcome<()>;
    /// Keeps a failure that concerns this job alone.
    fn fail(&mut self, error: StoreError);
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Work<T, F> {
    verb: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnMut(&mut Db) -> Outcome<T> + Send,
{
    fn run(&mut self, db: &mut Db) -> Outcome<()> {
        self.outcome = Some(Ok((self.verb)(db)?));
        Ok(())
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome = Some(Err(error));
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let Self { outcome, reply, .. } = *self;
        let missing = || Err(StoreError::Unavailable("the writer did not come to it".to_owned()));
        let answer = committed.and_then(|()| outcome.unwrap_or_else(missing));
        // A caller that stopped waiting has nobody to tell.
        let _ = reply.send(answer);
    }
}

impl Writer {
    /// Starts the thread on an open connection.
    pub(super) fn start(address: Address, db: Db) -> Result<Self> {
        let (sender, receiver) = channel();
        let link = Link { address, db: Some(db), backoff: FIRST_BACKOFF, not_before: None };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&receiver, link))
            .map_err(|error| StoreError::Unusable(format!("cannot start the database's writer thread: {error}")))?;
        Ok(Self {
            room: Arc::new(Semaphore::new(QUEUE)),
            queue: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `verb` in the next transaction and answers after its commit.
    pub(super) async fn write<T, F>(&self, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Outcome<T> + Send + 'static,
    {
        let closed = || StoreError::Unavailable("it is being closed".to_owned());
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Work { verb, outcome: None, reply });
        let sent = match &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(queue) => queue.send(Queued { job, _room: room }).is_ok(),
            None => false,
        };
        if !sent {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer has ended".to_owned())))
    }

    /// Takes no more, and returns when all that was queued is done.
    pub(super) fn close(&self) {
        self.room.close();
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the database's writer thread ended by a panic");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// The thread's connection, and when a lost one may be opened again.
struct Link {
    address: Address,
    db: Option<Db>,
    backoff: Duration,
    not_before: Option<Instant>,
}

impl Link {
    fn open(&mut self) -> Result<&mut Db> {
        if self.db.is_none() {
            if self.not_before.is_some_and(|time| Instant::now() < time) {
                return Err(StoreError::Unavailable("it went away; trying again shortly".to_owned()));
            }
            match self.address.open(Purpose::Write) {
                Ok(db) => {
                    tracing::info!(database = self.address.shown(), "the database is open again");
                    (self.db, self.backoff, self.not_before) = (Some(db), FIRST_BACKOFF, None);
                }
                Err(error) => {
                    self.not_before = Some(Instant::now() + self.backoff);
                    self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
                    return Err(StoreError::Unavailable(error.to_string()));
                }
            }
        }
        self.db.as_mut().ok_or_else(|| StoreError::Unavailable("it is not open".to_owned()))
    }
}

fn serve(queue: &Receiver<Queued>, mut link: Link) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        let committed = commit_with_retry(&mut link, &mut group);
        for queued in group {
            queued.job.answer(committed.clone());
        }
    }
}

/// One more try where the first one changed nothing for sure: it did not begin, or the database undid it.
fn commit_with_retry(link: &mut Link, group: &mut [Queued]) -> Result<()> {
    let mut tries = 2;
    loop {
        tries -= 1;
        let db = link.open()?;
        let failure = match commit(db, group) {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        // A lock that somebody else holds is no reason to open the connection anew; all else might be.
        let usable =
            db.batch_execute("ROLLBACK").is_ok() || matches!(failure.at, Step::Begin) && is_lock(&failure.fault);
        if !usable {
            link.db = None;
        }
        let again = matches!(failure.at, Step::Begin) && !usable || failure.fault.is_deadlock();
        if tries == 0 || !again {
            let error = StoreError::from(failure.fault);
            tracing::warn!(%error, jobs = group.len(), "a group of writes was not committed");
            return Err(unavailable(error));
        }
    }
}

fn is_lock(fault: &Fault) -> bool {
    matches!(fault, Fault::Database(diesel::result::Error::DatabaseError(_, why)) if why.message().contains("locked"))
}

/// Nothing was changed, whatever the reason.
fn unavailable(error: StoreError) -> StoreError {
    match error {
        StoreError::Unusable(why) => StoreError::Unavailable(why),
        other => other,
    }
}

enum Step {
    Begin,
    Run,
    Commit,
}

struct Failure {
    at: Step,
    fault: Fault,
}

fn commit(db: &mut Db, group: &mut [Queued]) -> Result<(), Failure> {
    begin(db)?;
    let mut jobs = group.iter_mut().map(|queued| queued.job.as_mut());
    if let Some(first) = jobs.next() {
        run_first(db, first)?;
    }
    for job in jobs {
        run_in_savepoint(db, job).map_err(|fault| Failure { at: Step::Run, fault })?;
    }
    db.batch_execute("COMMIT").map_err(|error| Failure { at: Step::Commit, fault: error.into() })
}

fn begin(db: &mut Db) -> Result<(), Failure> {
    let begin = dialect::begin(db);
    db.batch_execute(begin).map_err(|error| Failure { at: Step::Begin, fault: error.into() })
}

/// The first job needs no savepoint, which on SQLite costs a copy of every page that is changed: taking it back is
/// beginning anew. The error is the transaction's; what concerns the job alone it keeps.
fn run_first(db: &mut Db, job: &mut dyn Job) -> Result<(), Failure> {
    let Err(fault) = run(db, job) else { return Ok(()) };
    if fault.is_deadlock() || db.batch_execute("ROLLBACK").is_err() {
        return Err(Failure { at: Step::Run, fault });
    }
    job.fail(fault.into());
    begin(db)
}

fn run(db: &mut Db, job: &mut dyn Job) -> Outcome<()> {
    catch_unwind(AssertUnwindSafe(|| job.run(db)))
        .unwrap_or_else(|_| Err(StoreError::Unusable("a defect in fleetward ended this change".to_owned()).into()))
}

/// The same for one behind others.
fn run_in_savepoint(db: &mut Db, job: &mut dyn Job) -> Outcome<()> {
    db.batch_execute("SAVEPOINT job")?;
    if let Err(fault) = run(db, job) {
        if fault.is_deadlock() || db.batch_execute("ROLLBACK TO SAVEPOINT job").is_err() {
            return Err(fault);
        }
        job.fail(fault.into());
    }
    Ok(db.batch_execute("RELEASE SAVEPOINT job")?)
}
