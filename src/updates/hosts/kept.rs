//! What goes on over a restart of the sensor.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Hosts;
use super::address::Address;
use super::evidence::Mac;
use super::station::Station;
use crate::types::Timestamp;

/// One item, as it is written.
#[derive(Debug, Serialize)]
pub enum KeptHostRef<'k> {
    #[allow(private_interfaces, reason = "nobody but this module looks into it")]
    /// See [`KeptHost::Station`].
    Station(Mac, &'k Station),
    #[allow(private_interfaces, reason = "nobody but this module looks into it")]
    /// See [`KeptHost::Address`].
    Address(IpAddr, &'k Address),
}

/// One item, as it is read.
#[derive(Debug, Serialize, Deserialize)]
pub enum KeptHost {
    #[allow(private_interfaces, reason = "nobody but this module looks into it")]
    /// A MAC address.
    Station(Mac, Box<Station>),
    #[allow(private_interfaces, reason = "nobody but this module looks into it")]
    /// An address.
    Address(IpAddr, Box<Address>),
}

impl KeptHost {
    /// The address that it is about.
    pub const fn client(&self) -> Option<IpAddr> {
        match self {
            Self::Station(..) => None,
            Self::Address(address, _) => Some(*address),
        }
    }

    /// The MAC addresses that an address had.
    pub fn macs(&self) -> Vec<Mac> {
        match self {
            Self::Station(mac, _) => vec![*mac],
            Self::Address(_, known) => {
                let current = known.current.iter().map(|binding| binding.mac);
                current
                    .chain(known.earlier.iter().map(|past| past.mac))
                    .collect()
            }
        }
    }

    /// Takes every word of an address out; whether nothing is left.
    pub fn forget_address(&mut self, client: IpAddr) -> bool {
        match self {
            Self::Address(address, _) => *address == client,
            Self::Station(_, station) => {
                let had = station.addresses.contains(&client);
                station.forget(client);
                had && station.addresses.is_empty()
            }
        }
    }
}

impl Hosts {
    /// Tells every item.
    pub fn kept(&self, each: &mut dyn FnMut(&KeptHostRef<'_>)) {
        // In the order in which they are forgotten.
        for (_, mac) in &self.station_order {
            if let Some(station) = self.stations.get(mac) {
                each(&KeptHostRef::Station(*mac, station));
            }
        }
        for (_, address) in &self.address_order {
            if let Some(known) = self.addresses.get(address) {
                each(&KeptHostRef::Address(*address, known));
            }
        }
    }

    /// Takes in what an earlier run told; nothing of it may lie behind `seen`. Gives how many items it took.
    pub fn take_up(&mut self, items: Vec<KeptHost>, seen: Timestamp) -> u64 {
        let mut taken = 0;
        for item in items {
            let is_taken = match item {
                KeptHost::Station(mac, station) => self.take_up_station(mac, *station, seen),
                KeptHost::Address(address, known) => self.take_up_address(address, *known, seen),
            };
            taken += u64::from(is_taken);
        }
        // What a station says of its addresses follows from those.
        for station in self.stations.values_mut() {
            let addresses = &self.addresses;
            station
                .addresses
                .retain(|address| addresses.contains_key(address));
        }
        taken
    }

    fn take_up_station(&mut self, mac: Mac, station: Station, seen: Timestamp) -> bool {
        if station.last > seen || self.stations.contains_key(&mac) {
            return false;
        }
        self.station_order.push_back((station.last, mac));
        self.stations.insert(mac, station);
        true
    }

    fn take_up_address(&mut self, address: IpAddr, mut known: Address, seen: Timestamp) -> bool {
        if known.last > seen || self.addresses.contains_key(&address) || !known.is_past(seen) {
            return false;
        }
        if let Some(binding) = &mut known.current {
            if !self.stations.contains_key(&binding.mac) {
                return false;
            }
            binding.armed = binding.due;
            self.timers.insert((binding.due, address));
        }
        self.address_order.push_back((known.last, address));
        self.addresses.insert(address, known);
        true
    }
}
