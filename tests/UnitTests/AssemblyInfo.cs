using Xunit;

// One collection after the other: the code under test uses every core already, and side by side the lattice's and PSI's memory adds up.
[assembly: CollectionBehavior(DisableTestParallelization = true, MaxParallelThreads = -1)]
