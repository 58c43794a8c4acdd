//! A lease session that outlives its connections. It knows what is held, opens a new stream when
//! one breaks, names what is held, and sends the verdicts again that were not confirmed.
//!
//! R1: a lease is in `held` from its delivery until its verdict is confirmed or it is lost.
//! R2: a verdict is in `unsent`, in `unconfirmed`, in `postponed`, or confirmed; a new stream moves
//! the second to the first, and so does time with the third.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use leaseq_proto::v1 as proto;
use proto::lease_request::Request;
use tokio::time::Sleep;

use crate::calls::extend_request;
use crate::error::{Error, Result};
use crate::leased::{LeaseToken, Settlement, first_batch};
use crate::opening::SessionBuilder;
use crate::retry::Retry;
use crate::session::{Delivery, Session, SessionEvent};

/// What the holder of leases must know.
pub(crate) enum Event {
    /// Jobs to run.
    Delivered(Delivery),
    /// Cancellation was asked for these.
    CancelRequested(Vec<LeaseToken>),
    /// These are someone else's now.
    Lost(Vec<LeaseToken>),
    /// Verdicts were confirmed or refused.
    Settled,
}

/// When a verdict is sent again for which the server had no room.
const POSTPONED: Duration = Duration::from_secs(1);

type Opening = Pin<Box<dyn Future<Output = Result<Session>> + Send>>;

enum Stream {
    /// To be opened.
    Closed,
    /// Being opened.
    Opening(Opening),
    /// Open.
    Open(Box<Session>),
    /// Broken; the wait before the next one.
    Pausing(Pin<Box<Sleep>>),
}

pub(crate) struct Resuming {
    builder: SessionBuilder,
    retry: Retry,
    stream: Stream,
    /// The leases held; `Some`: with the verdict that is not confirmed yet.
    held: HashMap<LeaseToken, Option<Settlement>>,
    unsent: VecDeque<LeaseToken>,
    /// The tokens of each settle request without an answer, in the order they were sent.
    unconfirmed: VecDeque<Vec<LeaseToken>>,
    /// Verdicts that the server has no room for yet: their leases stand.
    postponed: VecDeque<LeaseToken>,
    /// When those are sent again.
    again: Option<Pin<Box<Sleep>>>,
    /// Progress that was not sent yet.
    progress: VecDeque<(LeaseToken, String)>,
    /// The tokens of the extend requests without an answer.
    extending: VecDeque<LeaseToken>,
    /// Nothing more is wanted, and whether this stream was told.
    draining: bool,
    told_drain: bool,
}

impl Resuming {
    pub(crate) fn new(builder: SessionBuilder) -> Self {
        let retry = builder.client.retry();
        Self {
            builder,
            retry,
            stream: Stream::Closed,
            held: HashMap::new(),
            unsent: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            postponed: VecDeque::new(),
            again: None,
            progress: VecDeque::new(),
            extending: VecDeque::new(),
            draining: false,
            told_drain: false,
        }
    }

    /// Whether a lease is still held, as far as is known here.
    pub(crate) fn holds(&self, token: &LeaseToken) -> bool {
        self.held.contains_key(token)
    }

    /// Whether every verdict is confirmed.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsent.is_empty() && self.unconfirmed.is_empty() && self.postponed.is_empty()
    }

    /// Takes a verdict, which is sent as soon as possible, together with all that wait. One on a
    /// lease that is lost is dropped: someone else has the job.
    pub(crate) fn settle(&mut self, settlement: Settlement) {
        let token = settlement.token();
        match self.held.get_mut(&token) {
            Some(verdict @ None) => {
                *verdict = Some(settlement);
                self.unsent.push_back(token);
            }
            Some(Some(_)) => {}
            None => tracing::warn!("the lease {token} is lost: the verdict on its job is dropped"),
        }
    }

    /// Says how far a job is. Only the latest word on a job is sent.
    pub(crate) fn say_progress(&mut self, token: LeaseToken, text: String) {
        self.progress.retain(|(waiting, _)| *waiting != token);
        self.progress.push_back((token, text));
    }

    /// Takes no more deliveries.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends the session in good order.
    pub(crate) async fn close(self) {
        if let Stream::Open(session) = self.stream {
            session.close().await;
        }
    }

    /// What happens next. An error is final: no session comes about, and none will. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Event> {
        loop {
            match &mut self.stream {
                Stream::Closed => self.stream = Stream::Opening(self.opening()),
                Stream::Opening(opening) => match opening.await {
                    Ok(session) => {
                        if let Some(lost) = self.opened(session) {
                            return Ok(lost);
                        }
                    }
                    Err(error) => self.broken(error)?,
                },
                Stream::Pausing(pause) => {
                    pause.as_mut().await;
                    self.stream = Stream::Closed;
                }
                Stream::Open(_) => match self.step().await {
                    Ok(Some(event)) => return Ok(event),
                    Ok(None) => {}
                    Err(error) => self.broken(error)?,
                },
            }
        }
    }

    fn opening(&mut self) -> Opening {
        self.retry.begin();
        let builder = self.builder.clone().held(self.held.keys().cloned());
        Box::pin(async move { builder.open_once().await })
    }

    /// A new stream stands. Unconfirmed verdicts will be sent on it; leases without a verdict that
    /// the server no longer knows are lost.
    fn opened(&mut self, session: Session) -> Option<Event> {
        self.retry.connected();
        tracing::debug!(
            "session {} is open, {} leases resumed",
            session.id(),
            self.held.len()
        );
        for tokens in self.unconfirmed.drain(..).rev() {
            for token in tokens.into_iter().rev() {
                self.unsent.push_front(token);
            }
        }
        self.extending.clear();
        self.told_drain = false;
        let lost: Vec<_> = session
            .lost_tokens()
            .filter(|token| self.held.get(token).is_some_and(Option::is_none))
            .collect();
        for token in &lost {
            self.held.remove(token);
        }
        self.stream = Stream::Open(Box::new(session));
        (!lost.is_empty()).then_some(Event::Lost(lost))
    }

    /// A stream broke or did not come about: wait and open another, or give up.
    fn broken(&mut self, error: Error) -> Result<()> {
        self.stream = Stream::Closed;
        if error.is_fatal_to_session() {
            return Err(error);
        }
        // To a session, whatever is not final is an absence of the server.
        let error = if error.is_transient() {
            error
        } else {
            Error::Unavailable {
                retry_after: error.retry_after(),
                message: error.to_string(),
            }
        };
        let delay = self.retry.delay(error)?;
        self.stream = Stream::Pausing(Box::pin(tokio::time::sleep(delay)));
        Ok(())
    }

    /// One thing on an open stream: something is sent or something comes.
    async fn step(&mut self) -> Result<Option<Event>> {
        let to_send = self.has_to_send();
        let Stream::Open(session) = &mut self.stream else {
            return Ok(None);
        };
        if to_send {
            // What comes must be taken even while there is no room to send.
            let room = tokio::select! {
                biased;
                room = session.room() => room,
                event = session.next() => return self.take(event?),
            };
            // A closed outbox: the reason comes as the last answer.
            if room.is_ok() {
                self.send_next();
                return Ok(None);
            }
        }
        let Stream::Open(session) = &mut self.stream else {
            return Ok(None);
        };
        let Some(again) = &mut self.again else {
            let event = session.next().await?;
            return self.take(event);
        };
        tokio::select! {
            event = session.next() => self.take(event?),
            () = again.as_mut() => {
                self.again = None;
                self.unsent.append(&mut self.postponed);
                Ok(None)
            }
        }
    }

    fn has_to_send(&self) -> bool {
        !self.unsent.is_empty() || !self.progress.is_empty() || self.draining && !self.told_drain
    }

    /// Sends one request: verdicts first, all that fit; then the drain; then progress.
    fn send_next(&mut self) {
        let Stream::Open(session) = &mut self.stream else {
            return;
        };
        if !self.unsent.is_empty() {
            // R1, R2: each of them is held with its verdict.
            let verdicts = self
                .unsent
                .iter()
                .filter_map(|token| self.held.get(token)?.as_ref());
            let count = first_batch(verdicts.clone().map(|settlement| &settlement.0));
            let settlements = verdicts
                .take(count)
                .map(|verdict| verdict.0.clone())
                .collect();
            let tokens: Vec<_> = self.unsent.drain(..count).collect();
            let request = Request::Settle(proto::SettleRequest { settlements });
            let _ = session.send_now(request);
            self.unconfirmed.push_back(tokens);
        } else if self.draining && !self.told_drain {
            let reason = "the worker is shutting down".to_owned();
            let _ = session.send_now(Request::Drain(proto::Drain { reason }));
            self.told_drain = true;
        } else if let Some((token, text)) = self.progress.pop_front() {
            let request = extend_request(std::slice::from_ref(&token), None, &text);
            let _ = session.send_now(Request::Extend(request));
            self.extending.push_back(token);
        }
    }

    /// What an event of the stream means here.
    fn take(&mut self, event: Option<SessionEvent>) -> Result<Option<Event>> {
        let Some(event) = event else {
            return Err(Error::Unavailable {
                retry_after: None,
                message: "the server ended the session".to_owned(),
            });
        };
        self.retry.answered();
        Ok(match event {
            SessionEvent::Delivered(delivery) => {
                self.held
                    .extend(delivery.jobs.iter().map(|job| (job.token(), None)));
                Some(Event::Delivered(delivery))
            }
            SessionEvent::Settled(statuses) => {
                self.confirmed(statuses);
                Some(Event::Settled)
            }
            SessionEvent::Extended(results) => results.into_iter().find_map(|r| self.extended(r)),
            SessionEvent::CancelRequested(tokens) => Some(Event::CancelRequested(tokens)),
            SessionEvent::Draining { reason } => {
                tracing::info!("the server drains its sessions: {reason}");
                None
            }
        })
    }

    fn confirmed(&mut self, statuses: Vec<Result<()>>) {
        let tokens = self.unconfirmed.pop_front().unwrap_or_default();
        for (token, status) in tokens.into_iter().zip(statuses) {
            if let Err(error @ Error::DiskFull { .. }) = status {
                tracing::warn!("the verdict on the lease {token} is sent again later: {error}");
                self.postponed.push_back(token);
                continue;
            }
            self.held.remove(&token);
            if let Err(error) = status {
                tracing::warn!("the verdict on the lease {token} was refused: {error}");
            }
        }
        if !self.postponed.is_empty() && self.again.is_none() {
            self.again = Some(Box::pin(tokio::time::sleep(POSTPONED)));
        }
    }

    fn extended(&mut self, result: Result<crate::Extension>) -> Option<Event> {
        let token = self.extending.pop_front()?;
        match result {
            Ok(extension) if extension.cancel_requested => {
                Some(Event::CancelRequested(vec![token]))
            }
            Err(Error::LeaseLost { .. }) if matches!(self.held.get(&token), Some(None)) => {
                self.held.remove(&token);
                Some(Event::Lost(vec![token]))
            }
            Ok(_) | Err(_) => None,
        }
    }
}
