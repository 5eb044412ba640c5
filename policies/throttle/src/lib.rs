//! Limits by app, recipient, sender, country and account
