# Brings Optimus up on a Windows machine with Docker Desktop and grades an example problem with it.
#
#   .\setup.ps1            everything below
#   .\setup.ps1 -NoStart   images only; starts no service of Optimus
#
# The same steps as setup.sh --docker. Everything is compiled inside official images, so nothing but Docker is needed, and
# the command line is called in one: docker compose run --rm --no-deps images optimus-cli --help
# Settings may stand in .env, which this script neither writes nor removes.
param([switch]$NoStart)

$ErrorActionPreference = "Stop"
Set-Location $PSScriptRoot

function Say($text) { Write-Host "==> $text" -ForegroundColor Cyan }
function Stop-With($text) { Write-Host "error: $text" -ForegroundColor Red; exit 1 }
# Native commands do not throw by themselves.
function Invoke-Checked($what, [scriptblock]$command) {
    & $command
    if ($LASTEXITCODE -ne 0) { Stop-With "$what failed (exit code $LASTEXITCODE)" }
}

Say "Checking prerequisites"
if (-not (Get-Command docker -ErrorAction SilentlyContinue)) {
    Stop-With "docker is missing: install Docker Desktop and start it"
}
docker version --format "{{.Server.Version}}" | Out-Null
if ($LASTEXITCODE -ne 0) { Stop-With "the Docker engine does not answer: start Docker Desktop" }
docker compose version | Out-Null
if ($LASTEXITCODE -ne 0) { Stop-With "docker compose is missing: update Docker Desktop" }

Say "Building the services' image (the first time takes minutes)"
Invoke-Checked "docker compose build" { docker compose build api }

Say "Building the languages' images that are missing"
Invoke-Checked "building the images" { docker compose run --rm --no-deps images optimus-cli build-image --missing }

if ($NoStart) { exit 0 }

Say "Starting API, Redis and one worker per language"
Invoke-Checked "docker compose up" { docker compose up -d }

# Asked of what runs: settings come from the environment, from .env, and from the compose file.
$published = "$(docker compose port api 8080)".Trim()
if (-not $published) { Stop-With "the API does not run; see: docker compose logs api" }
$api = "http://" + ($published -replace "^0\.0\.0\.0:", "127.0.0.1:" -replace "^(\[::\]|::):", "[::1]:")
$ready = $false
foreach ($try in 1..120) {
    try { Invoke-WebRequest -UseBasicParsing "$api/ready" | Out-Null; $ready = $true; break }
    catch { Start-Sleep -Milliseconds 500 }
}
if (-not $ready) { Stop-With "the system did not become ready; see: docker compose logs" }

Say "Grading an example through $api"
$examples = Join-Path $PSScriptRoot "examples"
$python = (Get-Content config/languages.json -Raw | ConvertFrom-Json).languages |
    Where-Object name -eq "python" | Select-Object -ExpandProperty image
Invoke-Checked "writing the large test data" {
    docker run --rm --entrypoint python3 -v "${examples}:/examples" $python /examples/generate.py
}
$token = "$(docker compose exec -T api printenv OPTIMUS__API__TOKENS)".Trim().Split(",")[0]
if ($token) { $env:OPTIMUS_TOKEN = $token }
Invoke-Checked "grading" {
    docker compose run --rm --no-deps -e OPTIMUS_TOKEN -v "${examples}:/examples" api `
        optimus-cli submit /examples/sum/submissions/accepted/sum.py --tests /examples/sum --wait --api http://api:8080
}

Say "Optimus is up at $api (stop it with: docker compose down)"
