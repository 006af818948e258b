//! Reports: what a range came to, made once and rendered in several forms.
