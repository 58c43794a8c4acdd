//! Writes the figures as OpenMetrics text when somebody scrapes. Gauges of queues
//! are read from the queues then, so they cannot drift.

use std::fmt::{Error, Result};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use leaseq_engine::effect::QueueView;
use leaseq_engine::space::{Space, Unwritten};
use leaseq_engine::time::Time;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::grpc::{AuthFailure, CODES, ConnectionEnd, ConnectionLimit, GrpcMetrics};
use super::labels::{space_name, unwritten};
use super::names;
use super::queue_row::{QueueRow, states};
use super::refusals::limits_refused;
use super::sheet::{COUNTER, GAUGE, HISTOGRAM, Label, Sheet, counter, gauge, histogram, seconds};
use crate::shard::{BATCH_BUCKETS, JobFact, ShardHandle};

/// What a scrape reads.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) version: &'static str,
    pub(crate) store: &'static str,
    pub(crate) sync: String,
    pub(crate) condition: &'static str,
    pub(crate) uptime: Duration,
    pub(crate) now: Time,
    pub(crate) shard: ShardHandle,
    pub(crate) grpc: GrpcMetrics,
    pub(crate) unread_bytes: u64,
    /// The queues by name; none while the journal is being read.
    pub(crate) queues: Vec<QueueView>,
    /// How many of them get a label.
    pub(crate) queues_max: usize,
    /// How long request ids are remembered if there is room.
    pub(crate) request_id_window: Duration,
    /// The limits that have a number, by their option.
    pub(crate) limits: Vec<(&'static str, u64)>,
}

/// All figures as text.
pub(crate) fn scrape(facts: Facts) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collected(facts)));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => text,
        // Writing to a String does not fail.
        Err(Error) => String::new(),
    }
}

#[derive(Debug)]
struct Collected(Facts);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result {
        let mut sheet = Sheet {
            encoder: &mut encoder,
        };
        self.server(&mut sheet)?;
        self.grpc(&mut sheet)?;
        self.connections(&mut sheet)?;
        self.queues(&mut sheet)?;
        self.shard(&mut sheet)
    }
}

impl Collected {
    fn server(&self, sheet: &mut Sheet<'_, '_>) -> Result {
        let facts = &self.0;
        sheet.family(
            names::BUILD_INFO,
            "What is running",
            MetricType::Info,
            |metric| {
                metric.encode_info(&[
                    ("version", facts.version),
                    ("store", facts.store),
                    ("sync", facts.sync.as_str()),
                ])
            },
        )?;
        sheet.family(
            names::CONDITION,
            "1 for the state the server is in",
            GAUGE,
            |metric| {
                for state in ["recovering", "serving", "draining", "stopped", "failed"] {
                    let value = u64::from(state == facts.condition);
                    gauge(metric, &[("state", state)], value)?;
                }
                Ok(())
            },
        )?;
        sheet.gauge(
            names::UPTIME_SECONDS,
            "Seconds since the start",
            facts.uptime.as_secs(),
        )?;
        sheet.family(names::LIMIT, "The limits that are set", GAUGE, |metric| {
            for (limit, value) in &facts.limits {
                gauge(metric, &[("limit", *limit)], *value)?;
            }
            Ok(())
        })
    }

    fn grpc(&self, sheet: &mut Sheet<'_, '_>) -> Result {
        let methods = self.0.grpc.methods();
        sheet.family(names::GRPC_STARTED, "Calls begun", COUNTER, |metric| {
            for method in methods {
                let labels = method_labels(method);
                counter(metric, &labels, method.started.load(Relaxed))?;
            }
            Ok(())
        })?;
        sheet.family(
            names::GRPC_HANDLED,
            "Calls ended, by their code",
            COUNTER,
            |metric| {
                for method in methods {
                    let [service, name, kind] = method_labels(method);
                    for (at, count) in (0..CODES).zip(&method.codes) {
                        let count = count.load(Relaxed);
                        // A code that never came costs no line.
                        if count > 0 {
                            let code = format!("{:?}", Code::from_i32(at as i32));
                            let labels = [service, name, kind, ("grpc_code", code.as_str())];
                            counter(metric, &labels, count)?;
                        }
                    }
                }
                Ok(())
            },
        )?;
        let help = "How long calls took, streams from their beginning to their end";
        sheet.family(names::GRPC_HANDLING_SECONDS, help, HISTOGRAM, |metric| {
            for method in methods.iter().filter(|method| method.seconds.count() > 0) {
                let labels = method_labels(method);
                let mut metric = metric.encode_family(&labels)?;
                seconds(&mut metric, &method.seconds)?;
            }
            Ok(())
        })
    }

    fn connections(&self, sheet: &mut Sheet<'_, '_>) -> Result {
        let view = self.0.grpc.view();
        let help = "Calls of the API that are open";
        sheet.gauge(names::GRPC_OPEN_CALLS, help, view.open_calls)?;
        sheet.gauge(names::GRPC_CONNECTIONS, "Connections", view.connections)?;
        let help = "Connections with as many calls open as limits.streams_per_connection allows";
        sheet.gauge(names::GRPC_CONNECTIONS_FULL, help, view.connections_full)?;
        let help = "Connections on which no known key was shown yet";
        sheet.gauge(names::GRPC_STRANGERS, help, view.strangers)?;
        let help = "Connections that the server closed or that broke, by the reason";
        sheet.family(names::GRPC_CONNECTIONS_ENDED, help, COUNTER, |metric| {
            for (end, count) in ConnectionEnd::ALL.iter().zip(&view.ended) {
                counter(metric, &[("reason", end.as_str())], *count)?;
            }
            Ok(())
        })?;
        let help = "Times the operating system gave no connection";
        sheet.counter(names::GRPC_ACCEPT_ERRORS, help, view.accept_errors)?;
        let help = "The same of the admin port";
        sheet.counter(names::ADMIN_ACCEPT_ERRORS, help, view.admin_accept_errors)?;
        let help = "Bytes of answers that wait for clients to read them";
        sheet.gauge(names::GRPC_UNREAD_BYTES, help, self.0.unread_bytes)?;
        let help = "Calls ended because their client took nothing of the answer";
        sheet.counter(names::GRPC_STALLED_CALLS, help, view.stalled)?;
        sheet.family(
            names::AUTH_FAILURES,
            "Calls that were not let in",
            COUNTER,
            |metric| {
                for (why, count) in AuthFailure::ALL.iter().zip(&view.auth_failures) {
                    counter(metric, &[("reason", why.reason())], *count)?;
                }
                Ok(())
            },
        )?;
        let shard = self.0.shard.metrics();
        let help = "Calls and connections refused because a limit is reached, by its option";
        sheet.family(names::LIMIT_REFUSALS, help, COUNTER, |metric| {
            for (limit, count) in ConnectionLimit::ALL.iter().zip(&view.refused) {
                counter(metric, &[("limit", limit.key())], *count)?;
            }
            for (limit, count) in limits_refused() {
                counter(metric, &[("limit", limit)], count)?;
            }
            Ok(())
        })?;
        let help = "Refusals because the disk is full, by what was not written";
        sheet.family(names::DISK_FULL_REFUSALS, help, COUNTER, |metric| {
            for what in Unwritten::ALL {
                counter(metric, &[("what", unwritten(what))], shard.disk_full(what))?;
            }
            Ok(())
        })?;
        let help = "Calls that a bug ended; each is in the log";
        sheet.counter(names::PANICS, help, view.panics)
    }

    fn queues(&self, sheet: &mut Sheet<'_, '_>) -> Result {
        let rows = self.queue_rows();
        sheet.family(names::QUEUE_JOBS, "Jobs by their state", GAUGE, |metric| {
            for row in &rows {
                for (state, count) in states(&row.counts) {
                    gauge(metric, &[("queue", row.name), ("state", state)], count)?;
                }
            }
            Ok(())
        })?;
        let mut each = |name, help, value: fn(&QueueRow<'_>) -> u64| {
            sheet.family(name, help, GAUGE, |metric| {
                rows.iter()
                    .try_for_each(|row| gauge(metric, &[("queue", row.name)], value(row)))
            })
        };
        let help = "Seconds since the oldest ready job was put; 0: none is ready";
        each(names::QUEUE_OLDEST_READY_SECONDS, help, |row| {
            row.oldest_ready.as_secs()
        })?;
        each(names::QUEUE_BYTES, "Bytes of the jobs not ended", |row| {
            row.bytes
        })?;
        each(names::QUEUE_PAUSED, "1 if leasing is stopped", |row| {
            row.paused
        })?;
        let help = "Sessions and Gets that wait for a job";
        each(names::QUEUE_WAITING, help, |row| row.waiting)?;
        let help = "Sessions with a free place that the next job is too large for";
        each(names::QUEUE_WAITING_FOR_BYTES, help, |row| {
            row.waiting_for_bytes
        })
    }

    /// The queues with a label of their own, and one row for all others.
    fn queue_rows(&self) -> Vec<QueueRow<'_>> {
        let facts = &self.0;
        let row = |queue| QueueRow::new(queue, facts.now);
        let mut rows: Vec<_> = facts
            .queues
            .iter()
            .take(facts.queues_max)
            .map(row)
            .collect();
        let others = facts.queues.iter().skip(facts.queues_max).map(row);
        rows.extend(others.reduce(QueueRow::add));
        rows
    }

    fn shard(&self, sheet: &mut Sheet<'_, '_>) -> Result {
        let metrics = self.0.shard.metrics();
        let read = |value: &std::sync::atomic::AtomicU64| value.load(Relaxed);
        for fact in JobFact::ALL {
            let (name, help) = names::jobs(fact);
            sheet.counter(name, help, metrics.jobs.get(fact))?;
        }
        self.request_ids(sheet)?;
        let help = "Commands that wait to be decided";
        let pending = u64::try_from(self.0.shard.pending()).unwrap_or(u64::MAX);
        sheet.gauge(names::SHARD_PENDING, help, pending)?;
        let help = "Commands decided";
        sheet.counter(names::SHARD_COMMANDS, help, read(&metrics.commands))?;
        let help = "Time in which the server did not run, which leases and sessions do not count";
        let stalled = read(&metrics.stalled_millis) as f64 / 1e3;
        sheet.family(names::STALLED_SECONDS, help, COUNTER, |metric| {
            metric.encode_counter::<NoLabelSet, f64, u64>(&stalled, None)
        })?;
        let help = "How far the wall clock is ahead of the time that the server tells";
        let ahead = self.0.shard.wall_ahead() as f64 / 1e3;
        sheet.family(names::CLOCK_OFFSET_SECONDS, help, GAUGE, |metric| {
            metric.encode_gauge(&ahead)
        })?;
        let help = "Batches made durable";
        sheet.counter(names::STORE_COMMITS, help, read(&metrics.commits))?;
        let help = "Bytes written";
        sheet.counter(names::STORE_COMMIT_BYTES, help, read(&metrics.commit_bytes))?;
        sheet.family(
            names::STORE_BATCH_COMMANDS,
            "Commands in a batch",
            HISTOGRAM,
            |metric| {
                let batches = &metrics.batch_commands;
                let bounds = BATCH_BUCKETS.map(|bound| bound as f64);
                histogram(metric, batches, bounds, batches.sum() as f64)
            },
        )?;
        let help = "How long the store took to make a batch durable";
        sheet.family(names::STORE_COMMIT_SECONDS, help, HISTOGRAM, |metric| {
            seconds(metric, &metrics.commit_micros)
        })?;
        let help = "How long the disk took of that";
        sheet.family(names::STORE_SYNC_SECONDS, help, HISTOGRAM, |metric| {
            seconds(metric, &metrics.sync_micros)
        })?;
        sheet.gauge(
            names::STORE_BYTES,
            "Bytes on disk",
            read(&metrics.disk_bytes),
        )?;
        sheet.gauge(
            names::STORE_SEGMENTS,
            "Segments on disk",
            read(&metrics.segments),
        )?;
        let (space, _) = metrics.space();
        let help =
            "1 for the room there is: enough; or the disk is full, and less and less is written";
        sheet.family(names::STORE_SPACE, help, GAUGE, |metric| {
            for one in Space::ALL {
                gauge(
                    metric,
                    &[("space", space_name(one))],
                    u64::from(one == space),
                )?;
            }
            Ok(())
        })?;
        let help = "How often a spare file of the journal could not be made or removed for now";
        sheet.counter(names::STORE_DELAYS, help, read(&metrics.delays))?;
        let help = "Bytes of payloads read in the background to look for damage";
        let scrubbed = read(&metrics.scrubbed_bytes);
        sheet.counter(names::STORE_SCRUBBED_BYTES, help, scrubbed)?;
        let help = "How long the last start took to read the journal";
        let recovery = read(&metrics.recovery_micros) as f64 / 1e6;
        sheet.family(names::STORE_RECOVERY_SECONDS, help, GAUGE, |m| {
            m.encode_gauge(&recovery)
        })?;
        let help = "Bytes of a torn batch, never acknowledged, cut off at the last start";
        sheet.gauge(names::STORE_TORN_BYTES, help, read(&metrics.torn_bytes))
    }
}

impl Collected {
    fn request_ids(&self, sheet: &mut Sheet<'_, '_>) -> Result {
        let facts = &self.0;
        let metrics = facts.shard.metrics();
        let help = "Puts remembered by their request id";
        sheet.gauge(names::REQUEST_IDS, help, metrics.request_ids.load(Relaxed))?;
        let window = match metrics.request_ids_full_since.load(Relaxed) {
            0 => facts.request_id_window,
            since => {
                let age = facts.now.since(Time::from_millis(since));
                age.min(facts.request_id_window)
            }
        };
        let help = "How long request ids are remembered: limits.request_id_window, or, when \
                    limits.request_id_bytes is full, the age of the oldest";
        sheet.gauge(names::REQUEST_ID_WINDOW_SECONDS, help, window.as_secs())
    }
}

fn method_labels(method: &super::grpc::Method) -> [Label<'_>; 3] {
    [
        ("grpc_service", &method.service),
        ("grpc_method", &method.name),
        ("grpc_type", method.kind),
    ]
}
