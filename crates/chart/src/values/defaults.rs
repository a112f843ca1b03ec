//! The defaults of charts as template values: each chart's are turned into them once, although the
//! values of a release are put together several times.

use std::{cell::RefCell, sync::Arc};

use template::{Map, Value, hash::HashMap, yaml::Data};

use super::deep_copy_map;

/// What was turned into values already, as long as one release is prepared.
#[derive(Default)]
pub(crate) struct Defaults {
    /// By the address of the data, which lives as long as the entry.
    known: RefCell<HashMap<*const Data, (Arc<Data>, Map)>>,
}

impl Defaults {
    /// Returns the values of a chart, which the caller may change; none where they are no map.
    pub(super) fn of(&self, data: &Arc<Data>) -> Option<Map> {
        let mut known = self.known.borrow_mut();
        if let Some((_, map)) = known.get(&Arc::as_ptr(data)) {
            return Some(deep_copy_map(map));
        }
        let Value::Map(map) = data.to_value() else {
            return None;
        };
        let copy = deep_copy_map(&map);
        known.insert(Arc::as_ptr(data), (Arc::clone(data), map));
        Some(copy)
    }

    /// Takes values that are to be a chart's; nobody may change them any more.
    pub(crate) fn keep(&self, map: Map) -> Arc<Data> {
        let data = Arc::new(Data::from_value(&Value::Map(Map::clone(&map))));
        let entry = (Arc::clone(&data), map);
        self.known.borrow_mut().insert(Arc::as_ptr(&data), entry);
        data
    }
}
