-- What the scripts share that tell of a job's progress.

-- The updates of a job are numbered from 2, under all its leases. The record's field `told` says the highest number, the token
-- under which it was told, and how many were told under that one: so numbers never start anew, and what is sent again is not told
-- again.

-- `updates` stand in ARGV from `first` on; `from` were told under the same token before them. Answers the place of the first of
-- them that is new, the highest number with them, and the field as it is then. What is missing between has its numbers.
local function count_told(told, token, from, first, count)
  local last, under, known = 1, nil, 0
  if told then last, under, known = string.match(told, '^(%d+) (%d+) (%d+)$') end
  last = tonumber(last)
  known = told and under == token and tonumber(known) or 0
  local all = math.max(known, from + count)
  last = last + all - known
  return first + math.max(0, known - from), last, string.format('%.0f %s %.0f', last, token, all)
end

local function list_of(first, last)
  return '[' .. table.concat(ARGV, ',', first, last) .. ']'
end
