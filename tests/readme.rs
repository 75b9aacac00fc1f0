//! What the README shows is what the program prints.
//!
//! A command stands in a comment right above the block that shows its output: `<!-- patchspan ... -->`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// A command and the output shown below it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// Line of the command, from 1.
    line: usize,
    command: String,
    output: String,
}

/// Every command of `text` with what is shown below it.
fn shown(text: &str) -> Vec<Shown> {
    let lines: Vec<&str> = text.lines().collect();
    let command = |line: &str| {
        let inner = line.strip_prefix("<!-- patchspan ")?;
        Some(inner.strip_suffix(" -->")?.to_owned())
    };
    let below = |at: usize| {
        assert!(
            lines[at + 1].starts_with("```"),
            "line {}: no block below",
            at + 1
        );
        let block = lines[at + 2..].iter().take_while(|line| **line != "```");
        block.map(|line| format!("{line}\n")).collect()
    };
    let found = lines.iter().enumerate().filter_map(|(at, line)| {
        Some(Shown {
            line: at + 1,
            command: command(line)?,
            output: below(at),
        })
    });
    found.collect()
}

/// Words as a shell takes them, as far as the README needs it: double quotes keep a word together.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('"').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        1 => vec![part],
        _ => part.split_whitespace().collect(),
    });
    words.map(str::to_owned).collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let shown = shown(&read("README.md"));
    assert!(shown.len() >= 2, "{shown:?}");
    for Shown {
        line,
        command,
        output,
    } in shown
    {
        let ran = Command::new(env!("CARGO_BIN_EXE_patchspan"))
            .args(words(&command))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(ran.status.success(), "README.md:{line}: {ran:?}");
        assert!(!output.is_empty(), "README.md:{line} shows nothing");
        assert_eq!(
            output,
            String::from_utf8(ran.stdout).unwrap(),
            "README.md:{line}"
        );
    }
}

#[test]
fn the_readme_lists_every_exit_code_with_its_meaning() {
    let readme = read("README.md");
    for exit in patchspan::cli::Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        assert!(readme.contains(&row), "{row}");
    }
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = read("README.md");
    let targets = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let files: Vec<&str> = targets.filter(|target| !target.contains("://")).collect();
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(path.is_file(), "{file}");
    }
}

#[test]
fn a_command_is_read_with_the_block_below_it() {
    let text = "# A\n<!-- patchspan replay -x \"a b\" c -->\n```json\none\ntwo\n```\n```\nno output\n```\n";
    let expected = Shown {
        line: 2,
        command: "replay -x \"a b\" c".to_owned(),
        output: "one\ntwo\n".to_owned(),
    };
    assert_eq!(shown(text), [expected]);
    assert_eq!(words("replay -x \"a b\" c"), ["replay", "-x", "a b", "c"]);
}
