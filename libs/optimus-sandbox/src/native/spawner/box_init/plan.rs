//! What a box's first process needs.

use std::os::fd::OwnedFd;

use optimus_cell::BoxResources;
use optimus_linux::cgroup::Group;

use crate::native::spawner::{identity::Uids, rootfs_builder::RootfsTemplate};

#[derive(Debug)]
pub(in crate::native::spawner) struct InitPlan<'a> {
    /// The group it enters, below that of the box.
    pub(in crate::native::spawner) agent_group: Option<Group>,
    pub(in crate::native::spawner) net: OwnedFd,
    pub(in crate::native::spawner) channel: OwnedFd,
    pub(in crate::native::spawner) template: &'a RootfsTemplate,
    pub(in crate::native::spawner) uids: Uids,
    pub(in crate::native::spawner) disk_bytes: u64,
    pub(in crate::native::spawner) compile_disk_bytes: u64,
    pub(in crate::native::spawner) open_files: u32,
    pub(in crate::native::spawner) resources: BoxResources,
}
