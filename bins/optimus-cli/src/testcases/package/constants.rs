//! Constants of a package, whose names in braces stand for their values.

pub(super) fn used_constant<'a>(constants: &'a [String], text: &[u8]) -> Option<&'a str> {
    let text = String::from_utf8_lossy(text);
    constants
        .iter()
        .find(|name| text.contains(&format!("{{{{{name}}}}}")))
        .map(String::as_str)
}
