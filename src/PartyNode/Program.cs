Console.Error.WriteLine("usage: party --config FILE");
return 2;
