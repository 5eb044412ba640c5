//! Only verified numbers while the Plivo account is on trial
