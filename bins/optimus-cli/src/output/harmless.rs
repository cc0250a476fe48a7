//! Texts of others, such that they change nothing on a terminal but what is written at their place.
//!
//! Escape sequences move the cursor, name windows and answer in the user's stead; marks of writing direction make
//! letters stand in another order than they are read by programs. Both are shown as Rust writes them: `\u{1b}`.

use std::fmt::Write as _;

/// One line: line breaks are escaped, too.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Lines that are meant as such.
pub(super) fn harmless_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(harmless).collect();
    lines.join("\n")
}

/// The same document in JSON: whatever is harmful stands in a string there, and gets JSON's own escape.
pub(super) fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if is_harmful(c) && c != '\n' {
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_harmful(c: char) -> bool {
    // Separators of lines and paragraphs.
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    // Marks of writing direction, and what once switched shapes of letters.
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    // Annotations and tags, which are not seen at all.
    let hides = matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    breaks || turns || hides || c.is_control() && c != '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_a_cursor_or_turns_letters_round() {
        for (text, shown) in [
            ("a\x1b]0;OWNED\x07.ans", "a\\u{1b}]0;OWNED\\u{7}.ans"),
            ("a\u{9b}31mb\u{7f}", "a\\u{9b}31mb\\u{7f}"),
            ("x\u{202e}yp.exe\u{2066}", "x\\u{202e}yp.exe\\u{2066}"),
            ("a\tb\r\nc\u{2028}", "a\tb\\r\\nc\\u{2028}"),
            ("Привет, 'мир' \\ ✓ é 👩‍💻", "Привет, 'мир' \\ ✓ é 👩‍💻"),
        ] {
            assert_eq!(harmless(text), shown);
        }
        assert_eq!(harmless_lines("a\n\x1bb"), "a\n\\u{1b}b");
    }

    #[test]
    fn json_says_the_same_as_before() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}\u{e0041}\x1b\n ok"});
        let text = harmless_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !is_harmful(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
