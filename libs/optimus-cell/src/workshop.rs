//! What cells are made with.

use std::rc::Rc;

use crate::{
    error::CellError,
    filter::Filter,
    guest::Guests,
    landlock,
    launch::Restrictions,
    nest::{GuestUids, Landlock, Nest},
    nested::{CellGroups, Covers, HomeNetwork, HomeRoot},
    signals::Signals,
};

/// Everything about cells that does not depend on the job, made while a box waits for its job.
#[derive(Debug)]
pub struct Workshop {
    pub(crate) disk_bytes: u64,
    pub(crate) compile_disk_bytes: u64,
    pub(crate) groups: Option<Rc<CellGroups>>,
    pub(crate) network: Rc<HomeNetwork>,
    pub(crate) root: Rc<HomeRoot>,
    pub(crate) covers: Rc<Covers>,
    pub(crate) restrictions: Rc<Restrictions>,
    guest_uids: GuestUids,
}

impl Workshop {
    /// To be made by the process that will start the cells.
    pub fn new(nest: &Nest) -> Result<Self, CellError> {
        if nest.group.is_none() && nest.guest_uids == GuestUids::OfTheAgent {
            return Err(CellError::Indistinct);
        }
        let landlock = match nest.landlock {
            Landlock::Enforced => Some(landlock::Ruleset::of_this_kernel().ok_or(CellError::NoLandlock)?),
            Landlock::Absent => None,
        };
        let groups = nest.group.as_ref().map(CellGroups::below).transpose()?;
        let covers = Covers::of_this_kernel().map_err(|source| CellError::System {
            operation: "list /proc",
            source,
        })?;
        Ok(Self {
            disk_bytes: nest.disk_bytes,
            compile_disk_bytes: nest.compile_disk_bytes,
            groups: groups.map(Rc::new),
            network: Rc::new(HomeNetwork::of_this_process()),
            root: Rc::new(HomeRoot::of_this_box()),
            covers: Rc::new(covers),
            restrictions: Rc::new(Restrictions {
                filter: Filter::for_guests(),
                landlock,
                // Where there are cells, there is no `/sys`.
                reading: None,
                signals: Signals::of_this_process(),
            }),
            guest_uids: nest.guest_uids,
        })
    }

    pub fn guests(&self) -> Guests {
        Guests::of_nest(self.guest_uids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_that_nothing_tells_apart_are_refused() {
        let nest = |guest_uids| Nest {
            group: None,
            disk_bytes: 1 << 20,
            compile_disk_bytes: 1 << 20,
            guest_uids,
            landlock: Landlock::Absent,
        };
        let refused = Workshop::new(&nest(GuestUids::OfTheAgent));
        assert!(matches!(refused, Err(CellError::Indistinct)));
        assert!(Workshop::new(&nest(GuestUids::Own { count: 2 })).is_ok());
    }
}
