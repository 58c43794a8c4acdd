//! The repository's own text files.

use std::fs;
use std::path::{Path, PathBuf};

/// One file, by its path from the root with `/` in it.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    /// Whether the path ends so.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }

    pub(crate) fn under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }

    /// Lines of Rust that are neither comments nor tests inside the file.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// `path:line: what`.
    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// All of them.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<SourceFile>,
}

/// Folders that are not ours, wherever they are.
const SKIPPED: &[&str] = &["target", "node_modules", "leaseq-data", "__pycache__"];
/// What is read; the rest is binary, generated or has no rules.
const EXTENSIONS: &[&str] = &[
    "css", "html", "js", "md", "proto", "py", "rs", "sh", "service", "toml", "yaml",
];

impl Tree {
    pub(crate) fn read() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { root, files }
    }

    pub(crate) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The text of any file of the repository, also of those that have no rules.
    pub(crate) fn text(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.root.join(path)).map_err(|error| format!("{path}: {error}"))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    let entries = fs::read_dir(folder).expect("a folder of the repository can be read");
    for path in entries.map(|entry| entry.expect("an entry of a folder").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Hidden folders are those of tools; .ci is ours.
        let hidden = name.starts_with('.') && name != ".ci";
        if hidden || SKIPPED.contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if is_ours(&path) {
            let text = fs::read_to_string(&path).expect("a text file");
            let path = path.strip_prefix(root).expect("below the root");
            let path = path.to_string_lossy().replace('\\', "/");
            files.push(SourceFile { path, text });
        }
    }
}

/// By its extension, or a script without one.
fn is_ours(path: &Path) -> bool {
    match path.extension() {
        Some(extension) => EXTENSIONS.contains(&&*extension.to_string_lossy()),
        None => fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"#!")),
    }
}
