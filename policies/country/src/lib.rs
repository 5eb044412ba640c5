//! Which countries may be texted, and which may have media
