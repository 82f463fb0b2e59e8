"""Methods inside of other libraries' trainers. A module imports its library when it is used, not before."""
