//! One call to Plivo and what it meant
