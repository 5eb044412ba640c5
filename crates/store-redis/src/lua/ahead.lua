-- Asks one question after the other, up to the first that is not answered as was hoped: nothing behind it is asked.
--
-- KEYS: those of all questions. ARGV: clock; then of each question its kind, how many keys and how many words are its
-- own, and these words, as the script of that kind reads them. Returns the answers.
local function nothing(answer) return not answer end

local kinds = {
  claim = { ask = claim, is_hoped = function(answer) return answer[1] == 'new' end },
  get = { ask = get, is_hoped = nothing },
  reserve = { ask = reserve, is_hoped = nothing },
  take = { ask = take, is_hoped = function(answer) return answer[1] == 1 end },
}

local function part(all, before, count)
  local own = {}
  for i = 1, count do own[i] = all[before + i] end
  return own
end

local answers, key, word = {}, 0, 1
while ARGV[word + 1] do
  local kind, keys, words = kinds[ARGV[word + 1]], tonumber(ARGV[word + 2]), tonumber(ARGV[word + 3])
  local own = part(ARGV, word + 3, words)
  local answer = kind.ask(part(KEYS, key, keys), own)
  answers[#answers + 1] = answer
  if not kind.is_hoped(answer, own) then break end
  key, word = key + keys, word + 3 + words
end
return answers
