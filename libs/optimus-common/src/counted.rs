//! How many of something, for people.

use std::fmt::Display;

/// `1 line`, `2 lines`, `0 processes`: the number with its noun, which is given in the singular.
pub fn counted<Number: Copy + Display + PartialEq + From<u8>>(number: Number, noun: &str) -> String {
    let ending = match noun.as_bytes() {
        _ if number == Number::from(1) => "",
        [.., b's'] => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(1_u64, "byte"), "1 byte");
        assert_eq!(counted(0_usize, "test case"), "0 test cases");
        assert_eq!(counted(21_u32, "process"), "21 processes");
        assert_eq!(counted(1_u32, "process"), "1 process");
    }
}
