//! Answers that many readers ask for and that cost the database something: of the same question one is worked out at
//! a time, for all who wait for it, and then none for as long as that took: so it takes half of one reader's time at
//! most, and nobody waits for much longer than for an answer. Where an older answer does, it is good for four times as
//! long as it took.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many times as long as it took an answer is good, for whom an older one does ...
const GOOD_FOR: u32 = 4;
/// ... and passes before the next one is worked out ...
const REST: u32 = 1;
/// ... and for how long at most.
const AT_MOST: Duration = Duration::from_secs(2);
/// Questions that are remembered; beyond it, those that were not asked lately are forgotten.
const MOST: usize = 200;

/// The newest answer to each question.
#[derive(Debug)]
pub struct Kept<K, V>(Mutex<HashMap<K, Arc<Question<V>>>>);

#[derive(Debug)]
struct Question<V> {
    /// Held by whoever works it out.
    work: tokio::sync::Mutex<()>,
    newest: Mutex<Option<Known<V>>>,
}

#[derive(Debug, Clone)]
struct Known<V> {
    answer: V,
    begun: Instant,
    took: Duration,
}

/// An answer that may be old.
#[derive(Debug)]
pub struct Last<V> {
    pub answer: V,
    /// Since when it was worked out, and how long that took.
    pub age: Duration,
    pub took: Duration,
    /// Whether it is being worked out anew.
    pub is_worked_out: bool,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    /// An answer that holds what was true when it was asked for; it may have to be waited for.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn fresh<E>(&self, question: K, work: impl AsyncFnOnce() -> Result<V, E>) -> Result<V, E> {
        self.question(question).answer(Instant::now(), work).await
    }

    /// The same; it may be as old as an answer is good.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn recent<E>(&self, question: K, work: impl AsyncFnOnce() -> Result<V, E>) -> Result<V, E> {
        let question = self.question(question);
        match question.newest().filter(|known| !known.rest(GOOD_FOR, Instant::now()).is_zero()) {
            Some(known) => Ok(known.answer),
            None => question.answer(Instant::now(), work).await,
        }
    }

    /// The newest answer, however old it is; `None` before the first.
    pub fn last(&self, question: K) -> Option<Last<V>> {
        let question = self.question(question);
        let Known { answer, begun, took } = question.newest()?;
        Some(Last { answer, age: begun.elapsed(), took, is_worked_out: question.work.try_lock().is_err() })
    }

    fn question(&self, question: K) -> Arc<Question<V>> {
        let mut questions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if questions.len() >= MOST {
            questions.retain(|_, kept| Arc::strong_count(kept) > 1 || kept.is_young());
        }
        let new = || Arc::new(Question { work: tokio::sync::Mutex::default(), newest: Mutex::default() });
        questions.entry(question).or_insert_with(new).clone()
    }
}

impl<V> Known<V> {
    /// How long until so many times as long as it took are over.
    fn rest(&self, times: u32, now: Instant) -> Duration {
        let good = (self.took * times).min(AT_MOST);
        (self.begun + self.took + good).saturating_duration_since(now)
    }
}

impl<V: Clone> Question<V> {
    fn newest(&self) -> Option<Known<V>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_young(&self) -> bool {
        self.newest().is_some_and(|known| known.begun.elapsed() < AT_MOST)
    }

    async fn answer<E>(&self, asked: Instant, work: impl AsyncFnOnce() -> Result<V, E>) -> Result<V, E> {
        let _working = self.work.lock().await;
        if let Some(known) = self.newest() {
            if known.begun >= asked {
                return Ok(known.answer);
            }
            tokio::time::sleep(known.rest(REST, Instant::now())).await;
        }
        let begun = Instant::now();
        let answer = work().await?;
        let known = Known { answer: answer.clone(), begun, took: begun.elapsed() };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn an_answer_is_good_for_four_times_as_long_as_it_took_and_two_seconds_at_most() {
        let begun = Instant::now();
        let known = |took| Known { answer: (), begun, took };
        let ms = Duration::from_millis;
        assert_eq!(known(ms(10)).rest(GOOD_FOR, begun + ms(10)), ms(40));
        assert_eq!(known(ms(10)).rest(GOOD_FOR, begun + ms(50)), Duration::ZERO);
        assert_eq!(known(ms(10)).rest(REST, begun + ms(10)), ms(10));
        assert_eq!(known(ms(3000)).rest(GOOD_FOR, begun + ms(3000)), AT_MOST);
    }

    #[tokio::test]
    async fn whoever_waits_for_the_same_answer_shares_it() {
        let (kept, works, gate) = (Kept::<u8, u32>::default(), AtomicU32::new(0), Semaphore::new(0));
        let ask = || {
            kept.fresh(1, async || {
                let work = works.fetch_add(1, Ordering::Relaxed) + 1;
                gate.acquire().await.map(tokio::sync::SemaphorePermit::forget).map_err(|_| ())?;
                Ok::<_, ()>(work)
            })
        };
        let others = async {
            while works.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            // It is being worked out: what it is made of may have been read before these asked.
            let open = async { gate.add_permits(2) };
            tokio::join!(ask(), ask(), ask(), open)
        };
        let (first, (second, third, fourth, ())) = tokio::join!(ask(), others);
        assert_eq!((first, second, third, fourth), (Ok(1), Ok(2), Ok(2), Ok(2)));
        assert_eq!(kept.fresh(2, async || Ok::<_, ()>(9)).await, Ok(9), "another question");
    }

    #[tokio::test]
    async fn what_is_slow_is_given_again_and_a_failure_is_not_kept() {
        let kept = Kept::<u8, u32>::default();
        assert_eq!(kept.fresh(0, async || Err("no")).await, Err("no"));
        assert_eq!(kept.recent(0, async || Ok::<_, ()>(1)).await, Ok(1));
        let question = kept.question(0);
        let known = Known { answer: 3, begun: Instant::now(), took: Duration::from_secs(1) };
        *question.newest.lock().unwrap() = Some(known.clone());
        assert_eq!(kept.recent(0, async || Ok::<_, ()>(4)).await, Ok(3));
        let known = Known { begun: Instant::now().checked_sub(AT_MOST * 2).unwrap(), ..known };
        *question.newest.lock().unwrap() = Some(known);
        assert_eq!(kept.recent(0, async || Ok::<_, ()>(4)).await, Ok(4));
    }

    #[tokio::test]
    async fn questions_that_nobody_asked_lately_are_forgotten() {
        let kept = Kept::<usize, u32>::default();
        for question in 0..MOST {
            let _ = kept.fresh(question, async || Ok::<_, ()>(1)).await;
        }
        let old = Instant::now().checked_sub(AT_MOST * 2).unwrap();
        for question in kept.0.lock().unwrap().values() {
            question.newest.lock().unwrap().as_mut().unwrap().begun = old;
        }
        let _ = kept.fresh(MOST, async || Ok::<_, ()>(1)).await;
        assert_eq!(kept.0.lock().unwrap().len(), 1);
    }
}
