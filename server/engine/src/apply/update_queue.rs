//! UpdateQueue: changes settings. They hold for jobs put from now on, the bound at
//! once.

use crate::command::SettingsChange;
use crate::effect::Reply;
use crate::id::{QueueName, Ticket};
use crate::rejection::Rejection;
use crate::settings::QueueSettings;
use crate::transition::Transition;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn update_queue(
        &mut self,
        ticket: Ticket,
        name: &QueueName,
        change: SettingsChange,
        revision: Option<u64>,
    ) {
        let reply = self.change_queue(name, change, revision);
        self.reply(ticket, reply);
    }

    fn change_queue(
        &mut self,
        name: &QueueName,
        change: SettingsChange,
        revision: Option<u64>,
    ) -> Result<Reply, Rejection> {
        let (id, queue) = self.queue_named(name)?;
        if revision.is_some_and(|revision| revision != queue.revision) {
            let queue = name.clone();
            return Err(Rejection::RevisionMismatch { queue });
        }
        let changed = changed(&queue.settings, change);
        if changed != queue.settings {
            let set = Transition::QueueSet {
                queue: id,
                name: name.clone(),
                settings: changed,
                paused: queue.paused,
                revision: queue.revision + 1,
                create_time: queue.create_time,
            };
            self.emit(set);
            self.touch(id);
        }
        self.queue_reply(name)
    }
}

fn changed(settings: &QueueSettings, change: SettingsChange) -> QueueSettings {
    QueueSettings {
        lease_duration: change.lease_duration.unwrap_or(settings.lease_duration),
        max_attempts: change.max_attempts.unwrap_or(settings.max_attempts),
        retry: change.retry.unwrap_or(settings.retry),
        jobs_max: change.jobs_max.unwrap_or(settings.jobs_max),
        result_retention: change.result_retention.unwrap_or(settings.result_retention),
    }
}
