//! What the audience sees: lines with the time, and on a terminal a bar that moves.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

/// Where the story is told.
#[derive(Debug)]
pub(super) struct Stage {
    start: Instant,
    /// A terminal: the last line is a bar that is drawn over.
    interactive: bool,
    /// Nothing at all is told: the output is for a program.
    silent: bool,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Progress {
    done: usize,
    total: usize,
}

/// Without a terminal, progress is told this many times.
const STEPS: usize = 6;
const BAR_WIDTH: usize = 30;

impl Stage {
    pub(super) fn new(silent: bool) -> Self {
        Self {
            start: Instant::now(),
            interactive: io::stdout().is_terminal(),
            silent,
            progress: Progress::default(),
        }
    }

    /// One line of the story.
    pub(super) fn say(&self, text: &str) {
        let seconds = self.start.elapsed().as_secs_f64();
        self.print(&format!("{seconds:5.1} s  {text}\n"));
    }

    /// A line without the time.
    pub(super) fn note(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// So many results of so many are here.
    pub(super) fn progress(&mut self, done: usize, total: usize) {
        let before = self.progress;
        self.progress = Progress { done, total };
        if self.interactive {
            self.print("");
        } else if step(done, total) > step(before.done, total) {
            self.say(&format!("{done} of {total} results are here"));
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        self.progress = Progress::default();
        self.print("");
    }

    fn print(&self, text: &str) {
        if self.silent {
            return;
        }
        let mut out = io::stdout().lock();
        // Whoever listens may have gone: the run goes on and its exit code still tells.
        let _ = if self.interactive {
            write!(out, "\r\x1b[K{text}{}", self.progress.bar())
        } else {
            write!(out, "{text}")
        };
        let _ = out.flush();
    }
}

/// How many of the steps are done.
fn step(done: usize, total: usize) -> usize {
    (done * STEPS).checked_div(total).unwrap_or(0)
}

impl Progress {
    fn bar(self) -> String {
        let Some(full) = (self.done * BAR_WIDTH).checked_div(self.total) else {
            return String::new();
        };
        let empty = BAR_WIDTH.saturating_sub(full);
        format!(
            "  [{}{}] {}/{} results",
            "#".repeat(full),
            "-".repeat(empty),
            self.done,
            self.total
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_up() {
        let bar = |done, total| Progress { done, total }.bar();
        assert_eq!(bar(0, 0), "");
        assert!(bar(0, 60).contains(&"-".repeat(30)));
        assert!(bar(60, 60).contains(&"#".repeat(30)));
        assert!(bar(30, 60).ends_with("30/60 results"));
    }

    #[test]
    fn progress_is_told_in_steps() {
        let told = (1..=60).filter(|&done| step(done, 60) > step(done - 1, 60));
        assert_eq!(told.count(), STEPS);
    }
}
