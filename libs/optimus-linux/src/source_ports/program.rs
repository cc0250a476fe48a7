//! The program that draws a port, in the kernel's own machine language.
//!
//! As C it would read:
//!
//! ```c
//! if (context->protocol != IPPROTO_TCP || context->sk->src_port != 0)
//!     return ALLOWED;
//! // A port that may be shared would be: two connections from it to the same place cannot be.
//! switch_off(SO_REUSEADDR, SO_REUSEPORT);
//! u64 drawn = siphash(KEY, ktime_get_ns(), get_prandom_u32());
//! for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
//!     drawn = drawn * MULTIPLIER + 1;
//!     address.port = htons(FIRST + (drawn >> 32) % COUNT);
//!     if (bind(context, &address) == 0)
//!         return as_it_was(SO_REUSEADDR, SO_REUSEPORT), ALLOWED;
//! }
//! return as_it_was(SO_REUSEADDR, SO_REUSEPORT), REFUSED;
//! ```
//!
//! The kernel's random numbers for such programs come from one state that all of the host shares and that can be told from
//! what it gives: who knew it would count by it how often others have drawn. A hash under a secret key hides it.

/// The kernel's own range in every new network namespace.
const FIRST: i32 = 32_768;
const COUNT: i32 = 28_232;

/// With four of five ports taken all of them fail once in a million times.
const ATTEMPTS: i32 = 64;

/// Of Knuth's generator, for further attempts.
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

const ALLOWED: i32 = 1;
const REFUSED: i32 = 0;

/// Which connections a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// `BPF_CGROUP_INET4_CONNECT` and `BPF_CGROUP_INET6_CONNECT`
    pub(super) fn attach_type(self) -> u32 {
        match self {
            Self::V4 => 10,
            Self::V6 => 11,
        }
    }

    fn number(self) -> i32 {
        match self {
            Self::V4 => libc::AF_INET,
            Self::V6 => libc::AF_INET6,
        }
    }

    /// Of its kind of addresses.
    fn address_bytes(self) -> i32 {
        match self {
            Self::V4 => 16,
            Self::V6 => 28,
        }
    }
}

/// As `struct bpf_insn` is.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u8,
    /// The target's number in the lower half, the source's in the upper one.
    registers: u8,
    offset: i16,
    value: i32,
}

/// Registers by what they are used for. The first five are lost with each call.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Register {
    Result = 0,
    First = 1,
    Second = 2,
    Third = 3,
    Fourth = 4,
    Fifth = 5,
    Context = 6,
    Attempt = 7,
    ReuseAddress = 8,
    ReusePort = 9,
    Frame = 10,
}
use Register::{
    Attempt, Context, Fifth, First, Fourth, Frame, Result, ReuseAddress, ReusePort, Second, Third,
};

/// Of operations on registers, whole and with a value.
const MOVE: u8 = 0xb0;
const ADD: u8 = 0x00;
const OR: u8 = 0x40;
const XOR: u8 = 0xa0;
const MULTIPLY: u8 = 0x20;
const SHIFT_LEFT: u8 = 0x60;
const SHIFT_RIGHT: u8 = 0x70;
const REMAINDER: u8 = 0x90;
const WHOLE: u8 = 0x07;
const BY_REGISTER: u8 = 0x08;

const TO_NETWORK_ORDER: u8 = 0xdc;
const LOAD_CONSTANT: u8 = 0x18;
const LOAD_4: u8 = 0x61;
const LOAD_8: u8 = 0x79;
const STORE_2: u8 = 0x6b;
const STORE_8: u8 = 0x7b;
const STORE_VALUE_2: u8 = 0x6a;
const STORE_VALUE_4: u8 = 0x62;
const STORE_VALUE_8: u8 = 0x7a;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_IF_OTHER: u8 = 0x55;
const JUMP_IF_LESS: u8 = 0xa5;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// Functions of the kernel.
const KTIME_GET_NS: i32 = 5;
const GET_PRANDOM_U32: i32 = 7;
const SETSOCKOPT: i32 = 49;
const GETSOCKOPT: i32 = 57;
const BIND: i32 = 64;

/// In `struct bpf_sock_addr` and `struct bpf_sock`.
const PROTOCOL: i16 = 36;
const SOCKET: i16 = 64;
const SOURCE_PORT: i16 = 44;

/// Places below the frame: an option's value or a random number, the time or what was drawn, and an address.
const OPTION: i16 = -8;
const DRAWN: i16 = -16;
const ADDRESS: i16 = -48;
const PORT: i16 = ADDRESS + 2;

#[derive(Debug, Default)]
struct EbpfAssembly(Vec<Instruction>);

/// A jump whose end is not known yet.
#[must_use]
struct Open(usize);

pub(super) fn build(family: Family, key: [u64; 2]) -> Vec<Instruction> {
    let mut program = EbpfAssembly::default();
    program.take(Context, First);
    program.emit(LOAD_4, First, Context, PROTOCOL, 0);
    let no_tcp = program.jump(JUMP_IF_OTHER, First, libc::IPPROTO_TCP);
    program.emit(LOAD_8, First, Context, SOCKET, 0);
    program.emit(LOAD_4, First, First, SOURCE_PORT, 0);
    let bound = program.jump(JUMP_IF_OTHER, First, 0);

    for (option, before) in REUSE {
        program.switch_off(option, before);
    }
    for place in (ADDRESS..ADDRESS + 32).step_by(8) {
        program.emit(STORE_VALUE_8, Frame, Result, place, 0);
    }
    program.emit(STORE_VALUE_2, Frame, Result, ADDRESS, family.number());
    program.draw(key);
    program.set(Attempt, 0);
    let attempt = program.0.len();
    program.next_port();
    program.emit(STORE_2, Frame, Result, PORT, 0);
    program.take(First, Context);
    program.take(Second, Frame);
    program.value(ADD, Second, ADDRESS.into());
    program.set(Third, family.address_bytes());
    program.call(BIND);
    let done = program.jump(JUMP_IF_EQUAL, Result, 0);
    program.value(ADD, Attempt, 1);
    program.jump_back(JUMP_IF_LESS, Attempt, ATTEMPTS, attempt);
    program.set(Attempt, REFUSED);
    let refused = program.jump(JUMP, Result, 0);
    program.land(done);
    program.set(Attempt, ALLOWED);
    program.land(refused);
    for (option, before) in REUSE {
        program.switch_on_again(option, before);
    }
    program.take(Result, Attempt);
    program.emit(EXIT, Result, Result, 0, 0);

    program.land(no_tcp);
    program.land(bound);
    program.set(Result, ALLOWED);
    program.emit(EXIT, Result, Result, 0, 0);
    program.0
}

/// Options of sockets that may share a port, and where their values are kept.
const REUSE: [(i32, Register); 2] = [
    (libc::SO_REUSEADDR, ReuseAddress),
    (libc::SO_REUSEPORT, ReusePort),
];

impl EbpfAssembly {
    fn emit(&mut self, code: u8, target: Register, source: Register, offset: i16, value: i32) {
        self.0.push(Instruction {
            code,
            registers: target as u8 | (source as u8) << 4,
            offset,
            value,
        });
    }

    /// An operation with a value.
    fn value(&mut self, operation: u8, target: Register, value: i32) {
        self.emit(operation | WHOLE, target, Result, 0, value);
    }

    /// An operation with another register.
    fn with(&mut self, operation: u8, target: Register, source: Register) {
        self.emit(operation | WHOLE | BY_REGISTER, target, source, 0, 0);
    }

    fn set(&mut self, target: Register, value: i32) {
        self.value(MOVE, target, value);
    }

    fn take(&mut self, target: Register, source: Register) {
        self.with(MOVE, target, source);
    }

    fn constant(&mut self, target: Register, value: u64) {
        // Cut in two, each of which has 32 bits.
        #[expect(clippy::cast_possible_truncation)]
        let (low, high) = (value as u32, (value >> 32) as u32);
        self.emit(LOAD_CONSTANT, target, Result, 0, low.cast_signed());
        self.emit(0, Result, Result, 0, high.cast_signed());
    }

    fn call(&mut self, function: i32) {
        self.emit(CALL, Result, Result, 0, function);
    }

    fn jump(&mut self, condition: u8, register: Register, value: i32) -> Open {
        self.emit(condition, register, Result, 0, value);
        Open(self.0.len())
    }

    fn land(&mut self, Open(from): Open) {
        let distance = self.0.len() - from;
        self.0[from - 1].offset = i16::try_from(distance).expect("the program is short");
    }

    fn jump_back(&mut self, condition: u8, register: Register, value: i32, to: usize) {
        let distance = self.0.len() + 1 - to;
        let offset = -i16::try_from(distance).expect("the program is short");
        self.emit(condition, register, Result, offset, value);
    }

    /// Calls with the context, an option, and where its value is.
    fn option(&mut self, function: i32, option: i32) {
        self.take(First, Context);
        self.set(Second, libc::SOL_SOCKET);
        self.set(Third, option);
        self.take(Fourth, Frame);
        self.value(ADD, Fourth, OPTION.into());
        self.set(Fifth, 4);
        self.call(function);
    }

    /// Kernels before 6.0 do not let a program change it, which leaves it as it is.
    fn switch_off(&mut self, option: i32, before: Register) {
        self.set(before, 0);
        self.emit(STORE_VALUE_8, Frame, Result, OPTION, 0);
        self.option(GETSOCKOPT, option);
        let unknown = self.jump(JUMP_IF_OTHER, Result, 0);
        self.emit(LOAD_4, before, Frame, OPTION, 0);
        let off = self.jump(JUMP_IF_EQUAL, before, 0);
        self.emit(STORE_VALUE_4, Frame, Result, OPTION, 0);
        self.option(SETSOCKOPT, option);
        self.land(unknown);
        self.land(off);
    }

    fn switch_on_again(&mut self, option: i32, before: Register) {
        let off = self.jump(JUMP_IF_EQUAL, before, 0);
        self.emit(STORE_VALUE_4, Frame, Result, OPTION, 1);
        self.option(SETSOCKOPT, option);
        self.land(off);
    }

    /// A port in network order as the result.
    fn next_port(&mut self) {
        self.emit(LOAD_8, Result, Frame, DRAWN, 0);
        self.constant(First, MULTIPLIER);
        self.with(MULTIPLY, Result, First);
        self.value(ADD, Result, 1);
        self.emit(STORE_8, Frame, Result, DRAWN, 0);
        self.value(SHIFT_RIGHT, Result, 32);
        self.value(REMAINDER, Result, COUNT);
        self.value(ADD, Result, FIRST);
        self.emit(TO_NETWORK_ORDER, Result, Result, 0, 16);
    }

    /// `SipHash` of two words.
    fn draw(&mut self, [low, high]: [u64; 2]) {
        self.call(KTIME_GET_NS);
        self.emit(STORE_8, Frame, Result, DRAWN, 0);
        self.call(GET_PRANDOM_U32);
        self.emit(STORE_8, Frame, Result, OPTION, 0);
        for (register, start) in SIP.into_iter().zip([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ]) {
            self.constant(register, start);
        }
        let [first, _, third, fourth] = SIP;
        for word in [DRAWN, OPTION] {
            self.emit(LOAD_8, Result, Frame, word, 0);
            self.with(XOR, fourth, Result);
            self.rounds(2);
            self.emit(LOAD_8, Result, Frame, word, 0);
            self.with(XOR, first, Result);
        }
        let length = 16 << 56;
        self.constant(Result, length);
        self.with(XOR, fourth, Result);
        self.rounds(2);
        self.constant(Result, length);
        self.with(XOR, first, Result);
        self.value(XOR, third, 0xff);
        self.rounds(4);
        self.take(Result, SIP[0]);
        for register in &SIP[1..] {
            self.with(XOR, Result, *register);
        }
        self.emit(STORE_8, Frame, Result, DRAWN, 0);
    }

    fn rounds(&mut self, count: usize) {
        let [a, b, c, d] = SIP;
        for _ in 0..count {
            for (to, from, bits, also) in [
                (a, b, 13, Some(a)),
                (c, d, 16, None),
                (a, d, 21, None),
                (c, b, 17, Some(c)),
            ] {
                self.with(ADD, to, from);
                self.rotate(from, bits);
                self.with(XOR, from, to);
                if let Some(also) = also {
                    self.rotate(also, 32);
                }
            }
        }
    }

    fn rotate(&mut self, register: Register, bits: i32) {
        self.take(Result, register);
        self.value(SHIFT_RIGHT, Result, 64 - bits);
        self.value(SHIFT_LEFT, register, bits);
        self.with(OR, register, Result);
    }
}

/// The four words of a `SipHash`.
const SIP: [Register; 4] = [First, Second, Third, Fourth];
