@echo off
rem Untested: a twin of ./test for Windows, written without a Windows machine at hand.
rem   test.cmd           everything but the slow tests
rem   test.cmd --all     everything
rem It leaves counting to dotnet test, which prints a line for each project, and ends with 0 only if all passed.
setlocal
cd /d "%~dp0"
where dotnet >nul 2>nul
if errorlevel 1 (
  echo test: no dotnet on the PATH; the .NET SDK 10.0.100 or newer is needed. 1>&2
  exit /b 1
)
set "FILTER=--filter Speed!=slow"
if "%~1"=="--all" set "FILTER="
set RESULT=0
for %%P in (UnitTests Architecture EndToEnd) do (
  dotnet build tests\%%P -c Release -nodeReuse:false -p:UseSharedCompilation=false -nologo -v:q
  if errorlevel 1 exit /b 1
  dotnet test tests\%%P -c Release --no-build -m:1 %FILTER%
  if errorlevel 1 set RESULT=1
)
exit /b %RESULT%
