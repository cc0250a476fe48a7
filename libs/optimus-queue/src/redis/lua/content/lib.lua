-- What the scripts of content share; see content.rs for the keys. Every one of them gets all of these, and the prefix of the
-- keys that it makes of digests and ids.
local SIZES, USED, ARRIVING, ARRIVED, HOLDS, HELD, HELD_BY, TOTALS, VERSIONS, HELD_SIZES =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local PREFIX = ARGV[1]

-- Digits of a digest, and what content counts for beside its bytes.
local DIGITS, BESIDE = 64, 512

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function data(digest) return PREFIX .. ':data:' .. digest end
local function incoming(id) return PREFIX .. ':incoming:' .. id end

local function total() return tonumber(redis.call('HGET', TOTALS, 'bytes') or 0) end
local function count(bytes) redis.call('HINCRBY', TOTALS, 'bytes', bytes) end

-- Gives up what was on its way.
local function drop(id)
  redis.call('UNLINK', incoming(id))
  redis.call('ZREM', ARRIVING, id)
  count(-tonumber(redis.call('HGET', ARRIVED, id) or 0))
  redis.call('HDEL', ARRIVED, id)
end

local function remove(digest)
  local size = redis.call('HGET', SIZES, digest)
  redis.call('ZREM', USED, digest)
  redis.call('HDEL', VERSIONS, digest)
  if not size then return end
  redis.call('UNLINK', data(digest))
  redis.call('HDEL', SIZES, digest)
  count(-(tonumber(size) + BESIDE))
end

-- The size, or -1. What has lost its bytes, or some of them, is not there, so that it is put anew.
local function renew(digest, now)
  local size = redis.call('HGET', SIZES, digest)
  if not size then return -1 end
  if redis.call('STRLEN', data(digest)) ~= tonumber(size) then
    remove(digest)
    return -1
  end
  redis.call('ZADD', USED, now, digest)
  return tonumber(size)
end

-- The same of digests one after the other.
local function renew_all(digests, now)
  local sizes = {}
  for from = 1, #digests, DIGITS do
    sizes[#sizes + 1] = renew(string.sub(digests, from, from + DIGITS - 1), now)
  end
  return sizes
end

-- Removes what was not used for its time, and of the rest what was not used for the longest time until all is `most` bytes.
-- What jobs hold is used. Looks at so many at most, and answers how many it looked at and removed.
local function evict(most, min_kept, retention, looks)
  local now = now_ms()
  local found = redis.call('ZRANGEBYSCORE', USED, '-inf', now - math.min(min_kept, retention), 'WITHSCORES', 'LIMIT', 0, looks)
  local removed = 0
  for i = 1, #found, 2 do
    local digest, used = found[i], tonumber(found[i + 1])
    if redis.call('HEXISTS', HELD_BY, digest) == 1 then
      redis.call('ZADD', USED, now, digest)
    elseif used <= now - retention or (used <= now - min_kept and total() > most) then
      remove(digest)
      removed = removed + 1
    else
      return i - 1, removed
    end
  end
  return #found / 2, removed
end
