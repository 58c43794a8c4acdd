//! What the client library says while it works: that a server does not answer and when it tries
//! again. On stderr, in plain words.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// How much of it people want to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notices {
    /// The first warning: the error that may follow says the rest.
    First,
    /// All of them: this runs for long.
    All,
}

/// Passes on what `leaseq-client` says. Only the first call has an effect.
pub(crate) fn listen(notices: Notices) {
    let layer = Notice {
        notices,
        said: AtomicBool::new(false),
    };
    // What nobody will read must not be made: the libraries below trace every frame they send.
    let of_client = Targets::new().with_target("leaseq_client", Level::INFO);
    // Somebody who listens already hears it all.
    let _ = registry().with(layer.with_filter(of_client)).try_init();
}

struct Notice {
    notices: Notices,
    said: AtomicBool,
}

impl<S: Subscriber> Layer<S> for Notice {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let said = self.said.swap(true, Ordering::Relaxed);
        if self.notices == Notices::First && (said || *event.metadata().level() > Level::WARN) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        eprintln!("{}", text.0);
    }
}

/// The message of an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
