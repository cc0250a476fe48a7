//! The client's place in a distributed trace, as the W3C recommendation "Trace Context" writes it in headers.

use std::{fmt, str::FromStr};

/// Characters of a `tracestate` that are passed on: as many as the recommendation asks for at least.
const MAX_STATE_LENGTH: usize = 512;

/// Members of a list above this length are the first to make room.
const LONG_MEMBER: usize = 128;

/// Most members of a list.
const MAX_MEMBERS: usize = 32;

/// Bits of the flags that are known: sampled, and random.
const KNOWN_FLAGS: u8 = 0b11;
const SAMPLED: u8 = 0b01;

/// The span of a client that asked for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub parent: TraceParent,
    /// What tracing systems passed along, which means nothing to us.
    pub state: Option<TraceState>,
}

impl TraceContext {
    /// From the values of the two headers. An invalid `tracestate` is dropped, as nothing depends on it.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, InvalidTraceContext> {
        Ok(Self {
            parent: traceparent.parse()?,
            state: tracestate.and_then(|text| text.parse().ok()),
        })
    }
}

/// The header `traceparent`. Written, it is of version 00.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// `None` where one of the ids is all zeros, which is no id. Unknown flags are left out.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Option<Self> {
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            trace_id,
            span_id,
            flags: flags & KNOWN_FLAGS,
        })
    }

    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the caller may have recorded its part of the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Why a text is none of the two headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTraceContext {
    #[error("it is no traceparent of the W3C recommendation Trace Context")]
    Parent,
    #[error("it is no tracestate of the W3C recommendation Trace Context")]
    State,
}

impl FromStr for TraceParent {
    type Err = InvalidTraceContext;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_parent(text.as_bytes()).ok_or(InvalidTraceContext::Parent)
    }
}

fn parse_parent(text: &[u8]) -> Option<TraceParent> {
    let (known, more) = text.split_at_checked(55)?;
    let [version] = bytes(known.get(..2)?)?;
    let dashes = [2, 35, 52].into_iter().all(|at| known.get(at) == Some(&b'-'));
    // A later version may have more to say, behind another dash.
    let tail = match version {
        0 => more.is_empty(),
        255 => false,
        _ => more.first().is_none_or(|first| *first == b'-'),
    };
    if !dashes || !tail {
        return None;
    }
    let [flags] = bytes(known.get(53..)?)?;
    TraceParent::new(bytes(known.get(3..35)?)?, bytes(known.get(36..52)?)?, flags)
}

/// Lower-case hexadecimal digits, two for each byte.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The header `tracestate`: 1 to 32 members `key=value`, the latest first, in at most 512 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceState(String);

impl TraceState {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceState {
    type Err = InvalidTraceContext;

    /// Where it is too long, whole members are left out: long ones first, then the oldest.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut members: Vec<&str> = Vec::new();
        for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
            // An empty member says nothing, and is allowed.
            if member.is_empty() {
                continue;
            }
            let key = key_of(member).ok_or(InvalidTraceContext::State)?;
            let is_known = members.iter().any(|other| key_of(other) == Some(key));
            if is_known || members.len() == MAX_MEMBERS {
                return Err(InvalidTraceContext::State);
            }
            members.push(member);
        }
        let mut length = members.iter().map(|member| member.len() + 1).sum::<usize>();
        while length > MAX_STATE_LENGTH + 1 {
            let long = members.iter().rposition(|member| member.len() > LONG_MEMBER);
            let dropped = members.remove(long.unwrap_or(members.len() - 1));
            length -= dropped.len() + 1;
        }
        if members.is_empty() {
            return Err(InvalidTraceContext::State);
        }
        Ok(Self(members.join(",")))
    }
}

/// The key of a well-formed member.
fn key_of(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let key_ok = match key.as_bytes() {
        [first, rest @ ..] => {
            let is_first = first.is_ascii_lowercase() || first.is_ascii_digit();
            let in_key = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(b);
            is_first && rest.len() < 256 && rest.iter().all(in_key)
        }
        [] => false,
    };
    let in_value = |b: &u8| (b' '..=b'~').contains(b) && *b != b'=' && *b != b',';
    let value_ok =
        (1..=256).contains(&value.len()) && value.bytes().all(|b| in_value(&b)) && !value.ends_with(' ');
    (key_ok && value_ok).then_some(key)
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_comes_back_as_it_was() {
        let parent: TraceParent = PARENT.parse().unwrap();
        assert_eq!(parent.to_string(), PARENT);
        assert_eq!((parent.trace_id()[0], parent.span_id()[7]), (0x4b, 0xb7));
        assert!(parent.is_sampled());
        assert!(
            !PARENT
                .replace("-01", "-02")
                .parse::<TraceParent>()
                .unwrap()
                .is_sampled()
        );
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for later in ["cc-", "fe-"].map(|version| PARENT.replacen("00-", version, 1)) {
            for tail in ["", "-", "-what-comes"] {
                let parent: TraceParent = format!("{later}{tail}").parse().unwrap();
                assert_eq!(parent.to_string(), PARENT);
            }
            assert!(format!("{later}.").parse::<TraceParent>().is_err());
        }
        let flags = PARENT.replace("-01", "-ff").parse::<TraceParent>().unwrap();
        assert_eq!(flags.flags(), 3, "unknown flags are not passed on");
    }

    #[test]
    fn what_is_no_parent_is_refused() {
        let zeros = |from, digits| PARENT.replacen(from, &"0".repeat(digits), 1);
        for bad in [
            String::new(),
            PARENT.to_uppercase(),
            PARENT.replacen("00-", "ff-", 1),
            PARENT.replacen("00-", "0-", 1),
            zeros("4bf92f3577b34da6a3ce929d0e0e4736", 32),
            zeros("00f067aa0ba902b7", 16),
            format!("{PARENT}-"),
            format!(" {PARENT}"),
            PARENT.replace("-01", "-1"),
            PARENT.replace("-01", "-0g"),
            PARENT.replace('-', "_"),
            PARENT.replacen("4bf9", "4bé", 1),
            PARENT[..54].to_owned(),
        ] {
            assert!(bad.parse::<TraceParent>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_state_keeps_its_members_in_order() {
        for (given, kept) in [
            ("a=1", "a=1"),
            (
                " rojo=00f067aa0ba902b7 ,\tcongo=t61rcWkgMzE",
                "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            ),
            (",a=1,,b=2,", "a=1,b=2"),
            ("1a-_*/@b=x y!", "1a-_*/@b=x y!"),
        ] {
            assert_eq!(given.parse::<TraceState>().unwrap().as_str(), kept);
        }
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for bad in [
            "",
            " , ",
            "a",
            "=1",
            "a=",
            "A=1",
            "_a=1",
            "a=1,a=2",
            "a=b=c",
            "a=é",
            "a=\n",
            "a b=1",
            &many,
            &format!("{}=1", "k".repeat(257)),
            &format!("a={}", "v".repeat(257)),
        ] {
            assert!(bad.parse::<TraceState>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_long_state_loses_long_members_and_then_the_oldest() {
        let long = format!("long={}", "v".repeat(200));
        let short = |n: usize| format!("k{n}={}", "v".repeat(60));
        let given = [
            short(1),
            long.clone(),
            short(2),
            long.replace("long", "other"),
            short(3),
        ]
        .join(",");
        let kept = given.parse::<TraceState>().unwrap();
        assert_eq!(kept.as_str(), [short(1), long, short(2), short(3)].join(","));

        let many: Vec<_> = (10..30).map(short).collect();
        let kept = many.join(",").parse::<TraceState>().unwrap();
        assert!(kept.as_str().len() <= MAX_STATE_LENGTH);
        assert_eq!(kept.as_str(), many[..kept.as_str().split(',').count()].join(","));
        let full = format!("a={},b={},c={}", "v".repeat(250), "v".repeat(250), "v".repeat(4));
        assert_eq!(full.len(), MAX_STATE_LENGTH);
        assert_eq!(full.parse::<TraceState>().unwrap().as_str(), full);
    }

    #[test]
    fn an_invalid_state_takes_nothing_but_itself_away() {
        let context = TraceContext::parse(PARENT, Some("A=1")).unwrap();
        assert_eq!(
            (context.parent.to_string().as_str(), context.state),
            (PARENT, None)
        );
        assert!(TraceContext::parse("00", Some("a=1")).is_err());
    }
}
