//! What cells are made with.

use std::rc::Rc;

use super::{box_network::BoxNetwork, groups::CellGroups, proc_covers::ProcCovers, run_root::BoxRoot};
use crate::{
    box_resources::{BoxResources, GuestUids, Landlock},
    error::CellError,
    filter::Filter,
    guest::Guests,
    landlock,
    launch::Restrictions,
    signals::Signals,
};

/// Everything about cells that does not depend on the job, made while a box waits for its job.
#[derive(Debug)]
pub struct CellFactory {
    pub(crate) disk_bytes: u64,
    pub(crate) compile_disk_bytes: u64,
    pub(crate) groups: Option<Rc<CellGroups>>,
    pub(crate) network: Rc<BoxNetwork>,
    pub(crate) root: Rc<BoxRoot>,
    pub(crate) covers: Rc<ProcCovers>,
    pub(crate) restrictions: Rc<Restrictions>,
    guest_uids: GuestUids,
}

impl CellFactory {
    /// To be made by the process that will start the cells.
    pub fn new(resources: &BoxResources) -> Result<Self, CellError> {
        if resources.group.is_none() && resources.guest_uids == GuestUids::OfTheAgent {
            return Err(CellError::GuestsIndistinguishable);
        }
        let landlock = match resources.landlock {
            Landlock::Enforced => Some(landlock::Ruleset::of_this_kernel().ok_or(CellError::NoLandlock)?),
            Landlock::Absent => None,
        };
        let groups = resources.group.as_ref().map(CellGroups::below).transpose()?;
        let covers = ProcCovers::of_this_kernel().map_err(|source| CellError::System {
            operation: "list /proc",
            source,
        })?;
        Ok(Self {
            disk_bytes: resources.disk_bytes,
            compile_disk_bytes: resources.compile_disk_bytes,
            groups: groups.map(Rc::new),
            network: Rc::new(BoxNetwork::of_this_process()),
            root: Rc::new(BoxRoot::of_this_box()),
            covers: Rc::new(covers),
            restrictions: Rc::new(Restrictions {
                filter: Filter::for_guests(),
                landlock,
                // Where there are cells, there is no `/sys`.
                reading: None,
                signals: Signals::of_this_process(),
            }),
            guest_uids: resources.guest_uids,
        })
    }

    pub fn guests(&self) -> Guests {
        Guests::of_box(self.guest_uids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_that_nothing_tells_apart_are_refused() {
        let resources = |guest_uids| BoxResources {
            group: None,
            disk_bytes: 1 << 20,
            compile_disk_bytes: 1 << 20,
            guest_uids,
            landlock: Landlock::Absent,
        };
        let refused = CellFactory::new(&resources(GuestUids::OfTheAgent));
        assert!(matches!(refused, Err(CellError::GuestsIndistinguishable)));
        assert!(CellFactory::new(&resources(GuestUids::Own { count: 2 })).is_ok());
    }
}
