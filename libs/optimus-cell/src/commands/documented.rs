//! The tables as `docs/sandbox.md` shows them.

use std::{env, fmt::Write, fs, path::Path};

use super::{CommandArgument, tables};
use optimus_linux::seccomp::Action;

const BEGIN: &str = "<!-- commands: begin -->\n";
const END: &str = "<!-- commands: end -->\n";

fn answered(answer: Action) -> &'static str {
    match answer {
        Action::Allow => "done",
        Action::Notify => "done, unless it is a stream",
        Action::Refuse(0) => "success, not done",
        Action::Refuse(libc::EINVAL) => "`EINVAL`",
        Action::Refuse(libc::ENOTTY) => "`ENOTTY`",
        Action::Refuse(libc::ENOSYS) => "`ENOSYS`",
        Action::Refuse(libc::ENOLCK) => "`ENOLCK`",
        Action::Refuse(libc::EPERM) => "`EPERM`",
        Action::Refuse(libc::EACCES) => "`EACCES`",
        Action::Refuse(libc::ENOPROTOOPT) => "`ENOPROTOOPT`",
        Action::Refuse(libc::EOPNOTSUPP) => "`EOPNOTSUPP`",
        Action::Refuse(unknown) => panic!("the error {unknown} has no name here"),
    }
}

fn shown() -> String {
    let mut text = String::from("\n| call | command | answer | who needs it, or why |\n|---|---|---|---|\n");
    for table in tables() {
        for row in table.rows {
            let names: Vec<_> = row.commands.iter().map(|(name, _)| format!("`{name}`")).collect();
            let names = match names.as_slice() {
                [] => "all".to_owned(),
                names => names.join(", "),
            };
            let cells = [table.title, &names, answered(row.action), row.reason];
            writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        }
        if !matches!(table.command_in, CommandArgument::Nothing) {
            let cells = [table.title, "everything else", answered(table.otherwise), ""];
            writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        }
    }
    text.push('\n');
    text
}

/// `UPDATE_SNAPSHOTS=1` writes it anew.
#[test]
fn the_documentation_shows_these_tables() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sandbox.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    let wanted = shown();
    if there != wanted && env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, [before, BEGIN, &wanted, END, after].concat()).unwrap();
        return;
    }
    assert!(
        there == wanted,
        "docs/sandbox.md shows other commands: UPDATE_SNAPSHOTS=1 writes them anew"
    );
}

#[test]
fn nothing_is_named_twice_and_everything_has_its_reason() {
    for table in tables() {
        let mut values: Vec<_> = table
            .rows
            .iter()
            .inspect(|row| assert!(row.reason.len() > 5, "{}", table.title))
            .flat_map(|row| row.commands)
            .map(|(_, value)| value)
            .collect();
        let all = values.len();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), all, "{}", table.title);
        let same_call = tables().filter(|other| other.call == table.call);
        for other in same_call {
            assert_eq!(other.otherwise, table.otherwise, "{}", table.title);
        }
    }
}
