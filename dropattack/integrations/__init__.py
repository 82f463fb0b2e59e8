"""Methods inside of other libraries' trainers; each module needs its library once it is used, not before."""
