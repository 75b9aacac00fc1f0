//! Frame to packets: link types, VLAN tags, tunnels, IP fragments.
