using Xunit;

// One collection after the other and no limited scheduler: with two threads of a scheduler of its own, two tests that waited at once
// left none to go on with. The work inside a test is parallel anyway.
[assembly: CollectionBehavior(DisableTestParallelization = true, MaxParallelThreads = -1)]
