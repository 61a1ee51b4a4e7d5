@echo off
rem UNTESTED: the Windows twin of ./vertfed. It builds in place with the SDK's own up-to-date check and starts the program.
setlocal
set "ROOT=%~dp0"
where dotnet >nul 2>nul
if errorlevel 1 (
  echo vertfed: the .NET SDK is not installed ^(no 'dotnet' on the PATH^). VertFed needs SDK 10.0.100 or later of .NET 10: https://dotnet.microsoft.com/download/dotnet/10.0 1>&2
  exit /b 2
)
dotnet --list-sdks | findstr /r /c:"^10\.0\.[1-9][0-9][0-9]" >nul
if errorlevel 1 (
  echo vertfed: no .NET SDK 10.0.100 or later of .NET 10 is installed: https://dotnet.microsoft.com/download/dotnet/10.0 1>&2
  exit /b 2
)
set MSBUILDDISABLENODEREUSE=1
set DOTNET_CLI_USE_MSBUILD_SERVER=0
if not exist "%ROOT%.build\stage\bin\Cli\release\VertFed.Cli.dll" echo Building VertFed ^(first time, about a minute^)... 1>&2
pushd "%ROOT%"
dotnet build vertfed.slnf -c Release -nologo -v q -clp:NoSummary -nodeReuse:false -p:UseSharedCompilation=false -p:RunAnalyzers=false -p:GenerateDocumentationFile=false "-p:ArtifactsPath=%ROOT%.build/stage/" 1>&2
if errorlevel 1 (
  popd
  echo vertfed: the build failed. 1>&2
  exit /b 1
)
popd
set "PROGRAM=Cli"
set "REST=%*"
if /i "%~1"=="coordinator" set "PROGRAM=Coordinator"
if /i "%~1"=="party" set "PROGRAM=PartyNode"
if not "%PROGRAM%"=="Cli" for /f "tokens=1,*" %%a in ("%*") do set "REST=%%b"
dotnet "%ROOT%.build\stage\bin\%PROGRAM%\release\VertFed.%PROGRAM%.dll" %REST%
exit /b %errorlevel%
