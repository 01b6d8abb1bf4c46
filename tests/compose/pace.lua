-- A steady load that leaves the machine room for what is tested: each connection waits so many milliseconds
-- before each request.
function delay()
  return 10
end
