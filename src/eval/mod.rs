//! Evaluation: metrics of predictions, and what is made of them for people.
