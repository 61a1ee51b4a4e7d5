using Xunit;

// Every test starts processes of its own, some of them three that compute; side by side they would only wait for each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
