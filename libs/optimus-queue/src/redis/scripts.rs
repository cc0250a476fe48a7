//! The Lua scripts, and how they are called.

use optimus_common::LanguageName;
use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind, ToRedisArgs, aio::ConnectionLike,
};

use super::{keys::Keys, replicas::ReplicaPolicy};
use crate::RECORD_VERSION;

#[derive(Debug)]
pub(super) struct JobScripts {
    pub(super) submit: Script,
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) finish: Script,
    pub(super) release: Script,
    pub(super) retry: Script,
    pub(super) cancel: Script,
    pub(super) reap: Script,
    pub(super) idle: Script,
    pub(super) make_room: Script,
    pub(super) repair: Script,
    pub(super) recount: Script,
    pub(super) heartbeat: Script,
    pub(super) workers: Script,
}

impl JobScripts {
    pub(super) fn new() -> Self {
        Self {
            submit: with_lib(include_str!("lua/submit.lua")),
            claim: with_lib(include_str!("lua/claim.lua")),
            renew: with_lib(include_str!("lua/renew.lua")),
            finish: after(
                &[
                    &version(),
                    include_str!("lua/lib.lua"),
                    include_str!("lua/results.lua"),
                    include_str!("lua/progress.lua"),
                ],
                include_str!("lua/finish.lua"),
            ),
            release: with_lib(include_str!("lua/release.lua")),
            retry: with_lib(include_str!("lua/retry.lua")),
            cancel: with_lib(include_str!("lua/cancel.lua")),
            reap: with_lib(include_str!("lua/reap.lua")),
            idle: with_lib(include_str!("lua/idle.lua")),
            make_room: with_results(include_str!("lua/make_room.lua")),
            repair: with_lib(include_str!("lua/repair.lua")),
            recount: Script::new(include_str!("lua/recount.lua")),
            heartbeat: Script::new(include_str!("lua/heartbeat.lua")),
            workers: Script::new(include_str!("lua/workers.lua")),
        }
    }
}

fn with_lib(body: &str) -> Script {
    after(&[&version(), include_str!("lua/lib.lua")], body)
}

fn with_results(body: &str) -> Script {
    after(
        &[
            &version(),
            include_str!("lua/lib.lua"),
            include_str!("lua/results.lua"),
        ],
        body,
    )
}

/// A script that tells of a job, and does nothing else.
pub(super) fn with_progress(body: &str) -> Script {
    after(&[include_str!("lua/progress.lua")], body)
}

fn version() -> String {
    format!("local RECORD_VERSION = {RECORD_VERSION}")
}

/// The `#!lua` line must stay the first one: by its flags Redis decides whether the script runs with memory full.
pub(super) fn after(shared: &[&str], body: &str) -> Script {
    let (flags, rest) = body.split_once('\n').unwrap_or((body, ""));
    Script::new(&[&[flags], shared, &[rest]].concat().join("\n"))
}

/// One call of a script.
///
/// `redis::ScriptInvocation` would copy every argument once more, and an argument may be 64 MiB.
pub(super) struct Call<'a> {
    script: &'a Script,
    command: Cmd,
}

impl<'a> Call<'a> {
    pub(super) fn new(script: &'a Script, keys: &[String]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    /// A call of a script that builds on `lib.lua`; `more` are its own keys.
    pub(super) fn on(script: &'a Script, keys: &Keys, language: &LanguageName, more: &[String]) -> Self {
        let mut all = Vec::with_capacity(10);
        all.extend(keys.of_language(language));
        all.extend_from_slice(more);
        Self::new(script, &all)
            .arg(language.as_str())
            .arg(keys.job_prefix())
            .arg(keys.events())
    }

    pub(super) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }

    /// As [`Call::run`], and then waits for the replicas. The second answer is how many have what was written.
    pub(super) async fn run_replicated<T: FromRedisValue>(
        self,
        connection: &mut impl ConnectionLike,
        replicas: ReplicaPolicy,
    ) -> RedisResult<(T, u32)> {
        // One pipeline, as WAIT is about what the same connection has written.
        let mut both = redis::pipe();
        both.add_command(self.command);
        replicas.add_wait(&mut both);
        match both.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.script.load_async(connection).await?;
                both.query_async(connection).await
            }
            result => result,
        }
    }

    /// Loads the script where the server does not know it, as after a restart.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<T> {
        match self.command.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.script.load_async(connection).await?;
                self.command.query_async(connection).await
            }
            result => result,
        }
    }
}
